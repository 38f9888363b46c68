//! chronyd's answer to `tracking`: `RPY_Tracking` of chrony's `candm.h`, after a header of 28 bytes.

const LENGTH: usize = 104;
const HEADER: usize = 28;
/// The reference identifier of `local`: the clock of this machine is its own reference.
const OWN_CLOCK: u32 = 0x7f7f_0101;
/// The leap status of a clock that follows nothing.
const UNSYNCHRONISED: u16 = 3;

/// How well chronyd follows its reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tracking {
    Unsynchronised,
    /// It is told to take its own clock for right (`local`), and nothing else is there to follow.
    OwnClock,
    Follows {
        /// When the clock was last compared, in seconds since the epoch.
        at_s: i64,
        /// By how much the clock may differ from the reference of its reference, in microseconds:
        /// what is still to be corrected, the root dispersion and half of the root delay, as
        /// chronyc(1) has it.
        error_us: u64,
    },
}

/// `None` where the bytes are not such an answer.
pub fn parse(bytes: &[u8]) -> Option<Tracking> {
    let body = bytes.get(HEADER..).filter(|_| bytes.len() == LENGTH)?;
    let half = |at: usize| Some(u16::from_be_bytes(*body.get(at..)?.first_chunk()?));
    let word = |at: usize| Some(u32::from_be_bytes(*body.get(at..)?.first_chunk()?));
    let (reference, leap) = (word(0)?, half(26)?);
    if leap >= UNSYNCHRONISED {
        return (leap == UNSYNCHRONISED).then_some(Tracking::Unsynchronised);
    }
    if reference == OWN_CLOCK {
        return Some(Tracking::OwnClock);
    }
    let at_s = i64::from(word(28)?.cast_signed()) << 32 | i64::from(word(32)?);
    let [correction, root_delay, root_dispersion] =
        [word(40)?, word(64)?, word(68)?].map(|word| seconds(word).abs());
    let error_us = (correction + root_dispersion + root_delay / 2.0) * 1e6;
    // A cast of what is too large gives the largest.
    Some(Tracking::Follows { at_s, error_us: error_us.ceil() as u64 })
}

/// A number of candm.h: seven bits of exponent, 25 bits of coefficient, both signed.
fn seconds(word: u32) -> f64 {
    let exponent = word.cast_signed() >> 25;
    let coefficient = (word << 7).cast_signed() >> 7;
    f64::from(coefficient) * f64::from(exponent - 25).exp2()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer of a chronyd 4.6 that follows another: 2.4 µs to correct, root delay 8.3 µs, root
    /// dispersion 1.1 µs.
    const FOLLOWS: &str = "060200000021000500000000000000000000123400000000000000007f0000017f\
        0000010000000000000000000000000001000000040000000000006b09ce190b0fd338df5dc0ffd889dd36dab2\
        a9fcfb578173f4f2227a0287de26e28b2ac1dc8f994c04810124";

    fn follows() -> Vec<u8> {
        hex::decode(FOLLOWS).expect("hexadecimal")
    }

    #[test]
    fn an_answer_is_read_as_chronyc_prints_it() {
        let Some(Tracking::Follows { at_s, error_us }) = parse(&follows()) else {
            panic!("{:?}", parse(&follows()));
        };
        assert_eq!(at_s, 1_795_804_697);
        assert_eq!(error_us, 8);
    }

    #[test]
    fn a_clock_that_is_its_own_reference_or_follows_nothing_has_no_error() {
        let mut own = follows();
        own[28..32].copy_from_slice(&OWN_CLOCK.to_be_bytes());
        assert_eq!(parse(&own), Some(Tracking::OwnClock));
        let mut none = follows();
        none[54..56].copy_from_slice(&3_u16.to_be_bytes());
        assert_eq!(parse(&none), Some(Tracking::Unsynchronised));
        none[54..56].copy_from_slice(&4_u16.to_be_bytes());
        assert_eq!(parse(&none), None);
    }

    #[test]
    fn an_answer_that_was_cut_is_none() {
        for length in 0..LENGTH {
            assert_eq!(parse(&follows()[..length]), None, "{length}");
        }
        assert_eq!(parse(&[follows(), vec![0]].concat()), None);
    }

    #[test]
    fn numbers_have_a_sign_and_reach_far() {
        assert_eq!(seconds(0), 0.0);
        assert_eq!(seconds(2 << 25 | 1 << 23), 1.0);
        assert_eq!(seconds(2 << 25 | (0x01ff_ffff & (1_u32 << 23).wrapping_neg())), -1.0);
        assert_eq!(seconds(63 << 25 | 0x00ff_ffff) as u64, 0x00ff_ffff_u64 << 38);
    }
}

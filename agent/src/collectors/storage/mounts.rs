//! proc_pid_mountinfo(5).

/// A line of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::collectors) struct Mount {
    /// Major and minor number of the device; those of a file system without one begin with `0:`.
    pub(in crate::collectors) device: String,
    pub(in crate::collectors) target: String,
    pub(in crate::collectors) fstype: String,
    pub(in crate::collectors) source: String,
    options: Vec<String>,
}

impl Mount {
    pub(in crate::collectors) fn has(&self, option: &str) -> bool {
        self.options.iter().any(|one| one == option)
    }
}

/// The lines in order; Err names the first (from 1) that is none. The list of a process that has a
/// root ends with a line's end.
pub(in crate::collectors) fn parse(text: &str) -> Result<Vec<Mount>, usize> {
    let mounts = (1_usize..).zip(text.split_terminator('\n'));
    let mounts: Vec<_> =
        mounts.map(|(number, line)| mount(line).ok_or(number)).collect::<Result<_, _>>()?;
    let is_whole = text.ends_with('\n') && mounts.iter().any(|mount| mount.target == "/");
    if is_whole { Ok(mounts) } else { Err(mounts.len()) }
}

/// `36 35 98:0 / /mnt rw,noatime master:1 - ext3 /dev/root rw`.
fn mount(line: &str) -> Option<Mount> {
    let (mount, filesystem) = line.split_once(" - ")?;
    let mut words = mount.split(' ');
    let (_, _) = (number(words.next()?)?, number(words.next()?)?);
    let device = words.next()?;
    let (major, minor) = device.split_once(':')?;
    let (_, _) = (number(major)?, number(minor)?);
    let (_root, target, own) = (words.next()?, words.next()?, words.next()?);
    let mut words = filesystem.split(' ');
    let (fstype, source, shared) = (words.next()?, words.next()?, words.next()?);
    let is_name = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
    let is_flags = |options: &str| options.starts_with("rw") || options.starts_with("ro");
    let is_mount = target.starts_with('/') && is_name(fstype) && is_flags(own) && is_flags(shared);
    if !is_mount {
        return None;
    }
    // What the mount says counts, and `ro` of the file system too.
    let options = own.split(',').chain(shared.split(',').filter(|option| *option == "ro"));
    Some(Mount {
        device: device.to_owned(),
        target: decoded(target),
        fstype: fstype.to_owned(),
        source: decoded(source),
        options: options.map(str::to_owned).collect(),
    })
}

fn number(word: &str) -> Option<u32> {
    word.parse().ok()
}

/// Blanks, tabs, line ends and backslashes are written as `\` and three octal digits.
pub(in crate::collectors) fn decoded(word: &str) -> String {
    let mut decoded = Vec::with_capacity(word.len());
    let mut rest = word.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let octal = (*byte == b'\\').then(|| after.get(..3)).flatten();
        let value =
            octal.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        match value {
            Some(value) => {
                decoded.push(value);
                rest = &after[3..];
            }
            None => {
                decoded.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_is_taken_apart_as_the_manual_does() {
        let line = "36 35 98:0 /mnt1 /mnt\\0402 ro,noatime,nosuid master:1 shared:2 - ext3 /dev/root rw,errors=continue";
        let mount = mount(line).expect("a mount");
        assert_eq!((mount.device.as_str(), mount.target.as_str()), ("98:0", "/mnt 2"));
        assert_eq!((mount.fstype.as_str(), mount.source.as_str()), ("ext3", "/dev/root"));
        assert!(mount.has("nosuid") && mount.has("ro") && !mount.has("nodev"));
        for bad in
            ["36 35 98:0 / mnt rw - ext3 /dev/root rw", "36 35 98 / / rw - ext3 x rw", "x", ""]
        {
            assert_eq!(super::mount(bad), None, "{bad}");
        }
        assert_eq!(parse(&format!("{line}\n")), Err(1), "nobody is without a root");
    }

    proptest! {
        #[test]
        fn every_text_has_an_answer(text in "(?s)[ -~\n\t]{0,200}") {
            let _ = (parse(&text), decoded(&text));
        }
    }
}

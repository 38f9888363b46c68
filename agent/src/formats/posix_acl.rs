//! The attribute `system.posix_acl_access` (acl(5), `struct posix_acl_xattr_header` of the kernel):
//! version 2, then entries of tag, permissions and id, all little-endian.

const VERSION: u32 = 2;
const USER: u16 = 0x02;
const GROUP_OBJ: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const KNOWN: [u16; 6] = [0x01, USER, GROUP_OBJ, GROUP, MASK, 0x20];
const READ: u16 = 4;
const WRITE: u16 = 2;

/// What the list says, its mask applied. The mode's group bits are the mask, not the group's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acl {
    pub group_read: bool,
    pub group_write: bool,
    /// Whether there are named users or groups, and what one of them may do.
    pub named: bool,
    pub named_read: bool,
    pub named_write: bool,
}

/// `None` for what is not such a list.
pub fn parse(bytes: &[u8]) -> Option<Acl> {
    let (version, entries) = bytes.split_first_chunk::<4>()?;
    if u32::from_le_bytes(*version) != VERSION || entries.len() % 8 != 0 {
        return None;
    }
    let entries: Vec<(u16, u16)> = entries
        .chunks_exact(8)
        .map(|e| (u16::from_le_bytes([e[0], e[1]]), u16::from_le_bytes([e[2], e[3]])))
        .collect();
    if entries.iter().any(|(tag, bits)| !KNOWN.contains(tag) || *bits > 7) {
        return None;
    }
    let of = |wanted: u16| entries.iter().find(|(tag, _)| *tag == wanted).map(|(_, bits)| *bits);
    let is_named = |tag: u16| matches!(tag, USER | GROUP);
    let named = entries.iter().any(|(tag, _)| is_named(*tag));
    let mask = match of(MASK) {
        Some(mask) => mask,
        // Names without a mask are no valid list.
        None if named => return None,
        None => 7,
    };
    let group = of(GROUP_OBJ)? & mask;
    let may = |bit: u16| entries.iter().any(|(tag, bits)| is_named(*tag) && bits & mask & bit != 0);
    Some(Acl {
        group_read: group & READ != 0,
        group_write: group & WRITE != 0,
        named,
        named_read: may(READ),
        named_write: may(WRITE),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(entries: &[(u16, u16)]) -> Vec<u8> {
        let mut bytes = VERSION.to_le_bytes().to_vec();
        for (tag, bits) in entries {
            bytes.extend(tag.to_le_bytes());
            bytes.extend(bits.to_le_bytes());
            bytes.extend(u32::MAX.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn the_mask_limits_names_and_the_owning_group() {
        let acl = |user, group, mask| {
            parse(&list(&[(1, 6), (USER, user), (GROUP_OBJ, group), (MASK, mask), (0x20, 0)]))
                .expect("a list")
        };
        let one = acl(6, 4, 7);
        assert!(one.named && one.named_read && one.named_write && one.group_read);
        assert!(!one.group_write, "the mode would say that the group writes");
        let masked = acl(6, 6, 4);
        assert!(masked.named_read && !masked.named_write && !masked.group_write);
    }

    #[test]
    fn what_is_no_list_is_refused() {
        assert_eq!(parse(&list(&[(1, 6), (USER, 6), (GROUP_OBJ, 4), (0x20, 0)])), None, "no mask");
        assert_eq!(parse(&list(&[(1, 6), (3, 6), (GROUP_OBJ, 4)])), None, "another tag");
        assert_eq!(parse(&[2, 0, 0, 0, 1]), None);
        assert_eq!(parse(&[1, 0, 0, 0]), None);
    }

    proptest! {
        #[test]
        fn every_attribute_has_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = parse(&bytes);
        }
    }
}

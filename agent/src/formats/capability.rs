//! The attribute `security.capability` (capabilities(7), `struct vfs_cap_data` of the kernel).

/// In the order of their bits.
const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

/// Capabilities that a file permits or lets through, sorted; `None` for another form.
pub fn names(bytes: &[u8]) -> Option<Vec<String>> {
    let word = |index: usize| {
        let bytes = bytes.get(index * 4..index * 4 + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    };
    let (halves, words) = match word(0)? >> 24 {
        1 => (1, 3),
        2 => (2, 5),
        // With the user namespace's root.
        3 => (2, 6),
        _ => return None,
    };
    if bytes.len() != words * 4 {
        return None;
    }
    let mut set = 0_u64;
    for half in 0..halves {
        let bits = word(1 + 2 * half)? | word(2 + 2 * half)?;
        set |= u64::from(bits) << (32 * half);
    }
    let held = (0..64_usize).filter(|bit| set >> bit & 1 == 1);
    let mut names: Vec<_> = held
        .map(|bit| match NAMES.get(bit) {
            Some(name) => format!("cap_{name}"),
            None => format!("cap_{bit}"),
        })
        .collect();
    names.sort();
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_halves_are_read_and_other_forms_refused() {
        // cap_net_raw,cap_bpf=ep
        let bytes = hex::decode("0100000200200000000000008000000000000000").expect("hex");
        assert_eq!(names(&bytes), Some(vec!["cap_bpf".to_owned(), "cap_net_raw".to_owned()]));
        assert_eq!(names(&bytes[..19]), None);
        assert_eq!(names(&[1, 0, 0, 9]), None);
        assert_eq!(names(&[]), None);
    }

    proptest! {
        #[test]
        fn every_attribute_has_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = names(&bytes);
        }
    }
}

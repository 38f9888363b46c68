//! The calls that coverage is asked of, and their numbers: x86-64, 32-bit x86, arm64 and later.

use super::Arch;

type Numbers = (&'static str, Option<u32>, Option<u32>, Option<u32>);

const CALLS: [Numbers; 32] = [
    ("adjtimex", Some(159), Some(124), Some(171)),
    ("settimeofday", Some(164), Some(79), Some(170)),
    ("clock_settime", Some(227), Some(264), Some(112)),
    ("stime", None, Some(25), None),
    ("execve", Some(59), Some(11), Some(221)),
    ("execveat", Some(322), Some(358), Some(281)),
    ("init_module", Some(175), Some(128), Some(105)),
    ("finit_module", Some(313), Some(350), Some(273)),
    ("delete_module", Some(176), Some(129), Some(106)),
    ("chmod", Some(90), Some(15), None),
    ("fchmod", Some(91), Some(94), Some(52)),
    ("fchmodat", Some(268), Some(306), Some(53)),
    ("chown", Some(92), Some(182), None),
    ("fchown", Some(93), Some(95), Some(55)),
    ("lchown", Some(94), Some(16), None),
    ("fchownat", Some(260), Some(298), Some(54)),
    ("setxattr", Some(188), Some(226), Some(5)),
    ("lsetxattr", Some(189), Some(227), Some(6)),
    ("fsetxattr", Some(190), Some(228), Some(7)),
    ("removexattr", Some(197), Some(235), Some(14)),
    ("lremovexattr", Some(198), Some(236), Some(15)),
    ("fremovexattr", Some(199), Some(237), Some(16)),
    ("unlink", Some(87), Some(10), None),
    ("unlinkat", Some(263), Some(301), Some(35)),
    ("rename", Some(82), Some(38), None),
    ("renameat", Some(264), Some(302), Some(38)),
    ("renameat2", Some(316), Some(353), Some(276)),
    ("open", Some(2), Some(5), None),
    ("openat", Some(257), Some(295), Some(56)),
    ("creat", Some(85), Some(8), None),
    ("mount", Some(165), Some(21), Some(40)),
    ("ptrace", Some(101), Some(26), Some(117)),
];

/// AUDIT_ARCH_* of linux/audit.h.
pub(super) const X86_64: u32 = 0xc000_003e;
pub(super) const I386: u32 = 0x4000_0003;
pub(super) const AARCH64: u32 = 0xc000_00b7;

pub(super) fn name(number: u32, machine: u32) -> Option<&'static str> {
    let of = |(_, x86_64, i386, arm64): &Numbers| match machine {
        X86_64 => *x86_64,
        I386 => *i386,
        AARCH64 => *arm64,
        _ => None,
    };
    CALLS.iter().find(|call| of(call) == Some(number)).map(|(name, ..)| *name)
}

/// Whether the processors that this is for have the call: arm64 began without the old ones.
pub(super) fn exists(call: &str, arch: Arch, is_arm: bool) -> bool {
    let found = CALLS.iter().find(|(name, ..)| *name == call);
    found.is_none_or(|(_, x86_64, i386, arm64)| match arch {
        _ if is_arm => arm64.is_some(),
        Arch::B64 => x86_64.is_some(),
        Arch::B32 => i386.is_some(),
        Arch::Other => true,
    })
}

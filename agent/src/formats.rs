//! Parsers of file formats that more than one kind reads. Pure: text in, values out.

pub mod capability;
pub mod chrony_conf;
pub mod deb822;
pub mod distro_info;
pub mod dpkg;
pub mod dpkg_version;
pub mod glob;
pub mod login_defs;
pub mod logrotate;
pub mod modprobe_conf;
pub mod nsswitch;
pub mod os_release;
pub mod passwd;
pub mod password_field;
pub mod posix_acl;
pub mod proc_net;
pub mod rsyslog;
pub mod sqlite;
pub mod ssh_key;
pub mod sshd_config;
pub mod sudoers;
pub mod sysctl_conf;
pub mod systemd_config;
pub mod tree;
pub mod utmp;

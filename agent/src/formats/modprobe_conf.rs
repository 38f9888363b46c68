//! modprobe.d(5): the commands that are run in place of loading a module.

use super::glob;

/// Programs that do nothing, so that a module whose `install` they are is never loaded.
const NOTHING: [&str; 4] = ["/bin/false", "/bin/true", "/usr/bin/false", "/usr/bin/true"];

/// The `install` lines of several files, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Installs {
    /// Name or pattern with `_` for `-`, and the command.
    lines: Vec<(String, String)>,
}

impl Installs {
    /// Adds a file. A `\` at the end of a line joins it with the next.
    pub fn add(&mut self, text: &str) {
        let text = text.replace("\\\n", "");
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let line = line.trim_matches([' ', '\t']);
            let Some((word, rest)) = line.split_once([' ', '\t']) else { continue };
            let rest = rest.trim_start_matches([' ', '\t']);
            let Some((name, command)) = rest.split_once([' ', '\t']) else { continue };
            if word == "install" {
                self.lines.push((underscored(name), command.trim().to_owned()));
            }
        }
    }

    /// Whether modprobe(8) does nothing when it is asked for the module: the first line that names
    /// it counts.
    pub fn block(&self, module: &str) -> bool {
        let module = underscored(module);
        let first = self.lines.iter().find(|(name, _)| glob::matches(name, &module));
        first.is_some_and(|(_, command)| NOTHING.contains(&command.as_str()))
    }

    /// The modules that are named, not those of patterns.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(|(name, _)| name.as_str()).filter(|name| !glob::is_pattern(name))
    }
}

/// The name under which the kernel knows a module.
pub fn underscored(name: &str) -> String {
    name.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installs(text: &str) -> Installs {
        let mut installs = Installs::default();
        installs.add(text);
        installs
    }

    #[test]
    fn only_a_command_that_does_nothing_blocks() {
        let read = installs(
            "install usb-storage /bin/false\ninstall\tdccp\t/usr/bin/true \n\
             install sctp /sbin/modprobe --ignore-install sctp\nblacklist cramfs\n\
             #install rds /bin/false\ninstall tipc /bin/false; echo\n",
        );
        assert!(read.block("usb_storage") && read.block("usb-storage") && read.block("dccp"));
        for module in ["sctp", "cramfs", "rds", "tipc", "uas"] {
            assert!(!read.block(module), "{module}");
        }
    }

    #[test]
    fn the_first_line_that_names_a_module_counts_patterns_included() {
        let read = installs("install usb* /sbin/modprobe usb\ninstall usb-storage /bin/false\n");
        assert!(!read.block("usb_storage"));
        let read = installs("install nf_*_ftp /bin/\\\nfalse\ninstall nf_nat_ftp echo\n");
        assert!(read.block("nf_nat_ftp"));
        assert_eq!(read.names().collect::<Vec<_>>(), ["nf_nat_ftp"]);
    }
}

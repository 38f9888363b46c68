use super::*;
use crate::judge::Severity;

fn catalogue() -> Catalogue {
    Catalogue::builtin().expect("catalogue")
}

#[test]
fn the_rules_that_are_compiled_in_load() {
    if let Err(errors) = RuleSet::builtin(&catalogue()) {
        let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
        panic!("{}", lines.join("\n"));
    }
}

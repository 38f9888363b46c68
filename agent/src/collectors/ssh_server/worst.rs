//! Which of several values is the least strict.

/// Values from strict to lax. `local` and `remote` forwarding, and the two sorts of tunnel, allow
/// different things; where both are met, the value that allows both is given.
fn rank(name: &str, value: &str) -> usize {
    let order: &[&str] = match name {
        "permitrootlogin" => &["no", "forced-commands-only", "prohibit-password", "yes"],
        "gatewayports" => &["no", "clientspecified", "yes"],
        "allowtcpforwarding" => &["no", "local", "remote", "yes"],
        "permittunnel" => &["no", "point-to-point", "ethernet", "yes"],
        _ => &["no", "yes"],
    };
    // What is not in the list is no value of sshd's: never taken for strict.
    order.iter().position(|known| *known == value).unwrap_or(usize::MAX)
}

/// The least strict of `values`, which are those some connection may meet.
pub(super) fn of(name: &str, values: &[&str]) -> String {
    if name == "maxauthtries" {
        let numbers = values.iter().map(|value| value.parse().unwrap_or(i64::MAX));
        return numbers.max().unwrap_or(i64::MAX).to_string();
    }
    let both = match name {
        "allowtcpforwarding" => values.contains(&"local") && values.contains(&"remote"),
        "permittunnel" => values.contains(&"point-to-point") && values.contains(&"ethernet"),
        _ => false,
    };
    let laxest = values.iter().max_by_key(|value| rank(name, value));
    if both { "yes".to_owned() } else { (*laxest.unwrap_or(&"yes")).to_owned() }
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn the_laxest_value_wins_and_two_halves_make_a_whole() {
        assert_eq!(of("permitrootlogin", &["no", "forced-commands-only"]), "forced-commands-only");
        assert_eq!(of("permitrootlogin", &["prohibit-password", "yes", "no"]), "yes");
        assert_eq!(of("allowtcpforwarding", &["local", "no"]), "local");
        assert_eq!(of("allowtcpforwarding", &["local", "remote"]), "yes");
        assert_eq!(of("maxauthtries", &["6", "10"]), "10");
        assert_eq!(of("gatewayports", &["clientspecified", "no"]), "clientspecified");
    }
}

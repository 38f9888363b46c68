//! Seats: what a person may do. Every right names the seats that have it, and no other has it.

/// The seats there are.
pub const SEATS: [&str; 7] = [
    "administrator",
    "compliance_lead",
    "control_owner",
    "risk_owner",
    "operator",
    "internal_auditor",
    "viewer",
];

/// What a token has that may read the log and nothing else.
pub const LOG_READER: &str = "log_reader";

/// Something that not everybody may do. Looking is no right: every seat looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Let in people and hosts, and give seats.
    LetIn,
    /// Take an alert on.
    Acknowledge,
    /// Ask for an exception, and for its renewal.
    RequestException,
    /// Approve or refuse an exception that somebody else asked for.
    DecideException,
    /// End an exception before its time.
    WithdrawException,
    /// Say that somebody else gives the evidence of rules, and end that.
    RequestInherited,
    /// Approve or refuse inherited evidence that somebody else asked for.
    DecideInherited,
    /// Raise findings, and revise those that one raised.
    RaiseFinding,
    /// Say what is done about findings, whoever raised them.
    KeepFindings,
    /// Say that a finding is closed, its action having had effect.
    CloseFinding,
    /// Learn approved lists, and decide on their members.
    KeepLists,
    /// Announce changes.
    PlanWindow,
    /// Start, decide and sign access reviews.
    Review,
    /// Say what is in scope and what applies: ISMSs, groups, statements, tolerances, people.
    Describe,
    /// Record what people show for controls and clauses, revise it, and take it back.
    KeepRecords,
    /// Approve or return what somebody else recorded.
    ApproveRecord,
    /// The same where a risk is accepted by it.
    ApproveRisk,
    /// Bring the same in by a program.
    Import,
}

impl Right {
    fn seats(self) -> &'static [&'static str] {
        match self {
            Self::LetIn => &["administrator"],
            Self::Acknowledge => &["administrator", "compliance_lead", "control_owner", "operator"],
            Self::RequestException => {
                &["administrator", "compliance_lead", "control_owner", "risk_owner", "operator"]
            }
            // Not the administrator: who runs the collector does not accept its risks.
            Self::DecideException => &["risk_owner"],
            Self::WithdrawException => {
                &["administrator", "compliance_lead", "control_owner", "risk_owner"]
            }
            Self::RequestInherited => {
                &["administrator", "compliance_lead", "control_owner", "operator"]
            }
            // Not the administrator, who often asks for it.
            Self::DecideInherited => &["compliance_lead", "risk_owner"],
            Self::RaiseFinding => &[
                "administrator",
                "compliance_lead",
                "control_owner",
                "operator",
                "internal_auditor",
            ],
            // Not the internal auditor: who audits does not act on what was found by others.
            Self::KeepFindings => {
                &["administrator", "compliance_lead", "control_owner", "operator"]
            }
            Self::CloseFinding => &["compliance_lead"],
            Self::KeepLists => &["administrator", "compliance_lead", "control_owner"],
            Self::PlanWindow => &["administrator", "compliance_lead", "control_owner", "operator"],
            // Not the administrator: who gives access does not review it.
            Self::Review => &["compliance_lead", "control_owner"],
            Self::Describe => &["administrator", "compliance_lead"],
            Self::KeepRecords => {
                &["administrator", "compliance_lead", "control_owner", "risk_owner", "operator"]
            }
            // Not the administrator, who often records it.
            Self::ApproveRecord => &["compliance_lead", "risk_owner"],
            Self::ApproveRisk => &["risk_owner"],
            Self::Import => &["administrator", "compliance_lead", "operator"],
        }
    }

    /// Why somebody without it is refused.
    pub fn refusal(self) -> &'static str {
        match self {
            Self::LetIn => "Only an administrator may do this.",
            Self::Acknowledge => {
                "Only an administrator, a compliance lead, a control owner or an operator may do \
                 this."
            }
            Self::RequestException => "A viewer may not ask for an exception.",
            Self::DecideException => "Only a risk owner may decide on an exception.",
            Self::WithdrawException => "This seat may not end an exception.",
            Self::RequestInherited => "This seat may not ask for inherited evidence.",
            Self::DecideInherited => {
                "Only a compliance lead or a risk owner may decide on inherited evidence."
            }
            Self::RaiseFinding => "This seat reads findings and changes none.",
            Self::KeepFindings => "This seat changes only the findings that it raised.",
            Self::CloseFinding => "Only a compliance lead says that a finding is closed.",
            Self::KeepLists => {
                "Only an administrator, a compliance lead or a control owner decides on approved \
                 lists."
            }
            Self::PlanWindow => "This seat may not announce changes.",
            Self::Review => "Only a compliance lead or a control owner reviews access.",
            Self::Describe => "Only an administrator or a compliance lead may do this.",
            Self::KeepRecords => "This seat reads records and changes none.",
            Self::ApproveRecord => {
                "Only a compliance lead or a risk owner approves what was recorded."
            }
            Self::ApproveRisk => "Only a risk owner approves what is recorded of risk.",
            Self::Import => "This seat may look and change nothing.",
        }
    }
}

/// Whether whoever holds this seat has a right.
pub fn may(seat: &str, right: Right) -> bool {
    right.seats().contains(&seat)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RIGHTS: [Right; 18] = [
        Right::KeepRecords,
        Right::ApproveRecord,
        Right::ApproveRisk,
        Right::RequestInherited,
        Right::DecideInherited,
        Right::RaiseFinding,
        Right::KeepFindings,
        Right::CloseFinding,
        Right::LetIn,
        Right::Acknowledge,
        Right::RequestException,
        Right::DecideException,
        Right::WithdrawException,
        Right::KeepLists,
        Right::PlanWindow,
        Right::Review,
        Right::Describe,
        Right::Import,
    ];

    #[test]
    fn a_right_is_given_to_seats_that_exist_and_never_to_a_viewer() {
        for right in RIGHTS {
            assert!(!right.seats().is_empty(), "{right:?}");
            assert!(right.seats().iter().all(|seat| SEATS.contains(seat)), "{right:?}");
            assert!(!may("viewer", right) && !may("", right) && !may("root", right), "{right:?}");
        }
    }

    #[test]
    fn an_internal_auditor_raises_findings_and_changes_nothing_else() {
        for right in RIGHTS {
            assert_eq!(may("internal_auditor", right), right == Right::RaiseFinding, "{right:?}");
        }
    }

    #[test]
    fn whoever_keeps_the_findings_of_others_raises_their_own_too() {
        for seat in SEATS {
            let both = !may(seat, Right::KeepFindings) || may(seat, Right::RaiseFinding);
            assert!(both, "{seat}");
        }
    }

    #[test]
    fn only_a_risk_owner_accepts_risk_and_only_an_administrator_lets_in() {
        for seat in SEATS {
            assert_eq!(may(seat, Right::DecideException), seat == "risk_owner");
            assert_eq!(may(seat, Right::LetIn), seat == "administrator");
        }
    }
}

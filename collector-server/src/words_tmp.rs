use crate::catalogue::{ControlType, HostEvidence, Theme};
use crate::judge::Profile;
impl Theme {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Organizational => "organizational",
            Self::People => "people",
            Self::Physical => "physical",
            Self::Technological => "technological",
        }
    }
}
impl ControlType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Preventive => "preventive",
            Self::Detective => "detective",
            Self::Corrective => "corrective",
        }
    }
}
impl HostEvidence {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Partial => "partial",
            Self::Indirect => "indirect",
        }
    }
}
impl Profile {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Essential => "essential",
            Self::Standard => "standard",
            Self::Hardened => "hardened",
            Self::Optional => "optional",
        }
    }
}

//! Where a device stands, and which moves there are between those places.

use std::fmt;
use std::str::FromStr;

/// Where a device stands.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum DeviceState {
    /// It signs people in.
    Registered,
    /// It waits for an administrator's approval.
    Pending,
    /// It has deregistered itself; a new enrolment brings it back.
    Unregistered,
    /// An administrator wants it gone, and it has not heard so yet.
    RemovalPending,
    /// It was removed; only a new enrolment brings it back.
    Removed,
    /// An administrator has shut it out; no enrolment brings it back.
    Quarantined,
    /// Its key is in two places by what was heard: neither is believed until an administrator has looked.
    Cloned,
}

/// What moves a device.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Move {
    /// Take it out; it counts as gone when it has heard so.
    Remove,
    /// Take it out, and have it delete its key and its state when it hears so.
    Wipe,
    /// Take it out now, whether it hears so or not.
    ForceRemove,
    /// Shut it out, whatever token it brings.
    Quarantine,
    /// Let it sign people in again.
    Restore,
    /// Let it in that waits.
    Approve,
    /// Turn it away that waits.
    Deny,
}

impl DeviceState {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Registered,
        Self::Pending,
        Self::Unregistered,
        Self::RemovalPending,
        Self::Removed,
        Self::Quarantined,
        Self::Cloned,
    ];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Pending => "pending",
            Self::Unregistered => "unregistered",
            Self::RemovalPending => "removal-pending",
            Self::Removed => "removed",
            Self::Quarantined => "quarantined",
            Self::Cloned => "cloned",
        }
    }

    /// Where `step` takes a device that stands here; none where there is no such move.
    #[must_use]
    pub const fn after(self, step: Move) -> Option<Self> {
        match (step, self) {
            (Move::Remove, Self::Registered | Self::RemovalPending | Self::Cloned)
            // Every holder of a key has to receive the order to wipe.
            | (
                Move::Wipe,
                Self::Registered | Self::Pending | Self::RemovalPending | Self::Removed | Self::Cloned,
            ) => {
                Some(Self::RemovalPending)
            }
            // What was never let in, or has left, has nothing to hear.
            (Move::Remove, Self::Pending | Self::Unregistered | Self::Removed) | (Move::Deny, Self::Pending) => {
                Some(Self::Removed)
            }
            // A quarantine ends by being lifted and not by a removal, which an enrolment would undo.
            (Move::Remove | Move::Wipe | Move::ForceRemove, Self::Quarantined) => None,
            // It has deleted its key by itself.
            (Move::Wipe, Self::Unregistered) => None,
            (Move::ForceRemove, _) => Some(Self::Removed),
            (Move::Quarantine, _) => Some(Self::Quarantined),
            (Move::Restore, Self::Pending) => None,
            (Move::Restore, _) | (Move::Approve, Self::Pending) => Some(Self::Registered),
            (Move::Approve | Move::Deny, _) => None,
        }
    }
}

impl Move {
    /// What the audit calls it.
    #[must_use]
    pub const fn action(self) -> &'static str {
        match self {
            Self::Remove => "device.remove",
            Self::Wipe => "device.wipe",
            Self::ForceRemove => "device.force-remove",
            Self::Quarantine => "device.quarantine",
            Self::Restore => "device.restore",
            Self::Approve => "device.approve",
            Self::Deny => "device.deny",
        }
    }
}

impl fmt::Display for DeviceState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for DeviceState {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_its_word() {
        for state in DeviceState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        assert!("gone".parse::<DeviceState>().is_err());
    }

    #[test]
    fn nothing_but_restoring_and_quarantining_again_moves_a_quarantined_device() {
        for step in [Move::Remove, Move::Wipe, Move::ForceRemove, Move::Approve, Move::Deny] {
            assert_eq!(DeviceState::Quarantined.after(step), None, "{step:?}");
        }
        assert_eq!(DeviceState::Quarantined.after(Move::Restore), Some(DeviceState::Registered));
    }

    #[test]
    fn a_device_whose_key_was_copied_is_moved_by_an_administrator_alone() {
        let moves = [Move::Restore, Move::Remove, Move::Wipe, Move::ForceRemove, Move::Quarantine, Move::Approve];
        let after = moves.map(|step| DeviceState::Cloned.after(step).map(DeviceState::as_str));
        let (pending, removed) = (Some("removal-pending"), Some("removed"));
        assert_eq!(after, [Some("registered"), pending, pending, removed, Some("quarantined"), None]);
    }

    #[test]
    fn a_device_that_waits_is_let_in_by_approval_only() {
        assert_eq!(DeviceState::Pending.after(Move::Restore), None);
        assert_eq!(DeviceState::Pending.after(Move::Approve), Some(DeviceState::Registered));
        assert_eq!(DeviceState::Pending.after(Move::Deny), Some(DeviceState::Removed));
    }

    #[test]
    fn every_device_that_is_not_in_quarantine_can_be_forced_out() {
        let others = DeviceState::ALL.into_iter().filter(|state| *state != DeviceState::Quarantined);
        assert!(others.map(|state| state.after(Move::ForceRemove)).all(|to| to == Some(DeviceState::Removed)));
    }
}

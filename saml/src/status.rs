//! `samlp:Status` (Core 3.2.2.1) with our refusal in `StatusDetail`.

use crate::refusal::{Refusal, SecondLevelStatus, TopLevelStatus};
use crate::rejection::{Rejection, RejectionReason};
use crate::wire;
use crate::xml::{Element, Namespace, Sequence, Writer};

const SAMLP: Namespace = Namespace::Protocol;

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The outer status code.
    pub top: TopLevelStatus,
    /// The status code inside.
    pub second: Option<SecondLevelStatus>,
    /// A message for people.
    pub message: Option<String>,
    /// Our own code, where it was one of ours that answered.
    pub refusal: Option<Refusal>,
}

impl Status {
    /// The request succeeded.
    pub const fn success() -> Self {
        Self { top: TopLevelStatus::Success, second: None, message: None, refusal: None }
    }

    /// The request was refused.
    pub fn refused(refusal: Refusal) -> Self {
        let (top, second) = refusal.code.status();
        Self { top, second: Some(second), message: Some(refusal.code.meaning().to_owned()), refusal: Some(refusal) }
    }

    /// Whether the request succeeded.
    pub fn is_success(&self) -> bool {
        self.top == TopLevelStatus::Success
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.start(SAMLP, "Status").start(SAMLP, "StatusCode").attribute("Value", self.top.uri());
        if let Some(second) = &self.second {
            writer.start(SAMLP, "StatusCode").attribute("Value", &second.uri()).end();
        }
        writer.end();
        if let Some(message) = &self.message {
            writer.leaf(SAMLP, "StatusMessage", message);
        }
        if let Some(refusal) = &self.refusal {
            let (seconds, time) =
                (refusal.retry_after_seconds.map(|s| s.to_string()), refusal.time.map(|t| t.to_string()));
            writer
                .start(SAMLP, "StatusDetail")
                .start(Namespace::Countersign, "Refusal")
                .attribute("Code", refusal.code.code())
                .optional_attribute("RetryAfter", seconds.as_deref())
                .optional_attribute("Time", time.as_deref())
                .end()
                .end();
        }
        writer.end();
    }

    pub(crate) fn read(element: Element<'_>) -> Result<Self, Rejection> {
        let mut children = Sequence::new(element)?;
        let code = children.required(SAMLP, "StatusCode")?;
        let message = children.optional(SAMLP, "StatusMessage").map(Element::text).transpose()?;
        let detail = children.optional(SAMLP, "StatusDetail");
        children.finish()?;
        let top = wire::collapsed(code.required_attribute("Value")?);
        let mut inner = Sequence::new(code)?;
        let second = inner.optional(SAMLP, "StatusCode").map(|code| code.required_attribute("Value")).transpose()?;
        inner.finish()?;
        let refusal =
            detail.and_then(|detail| detail.children().find(|child| child.is(Namespace::Countersign, "Refusal")));
        Ok(Self {
            top: TopLevelStatus::from_uri(top).ok_or_else(|| Rejection::about(RejectionReason::BadValue, top))?,
            second: second.map(|uri| SecondLevelStatus::from_uri(wire::collapsed(uri))),
            message: message.map(str::to_owned),
            refusal: refusal.map(read_refusal).transpose()?,
        })
    }
}

fn read_refusal(element: Element<'_>) -> Result<Refusal, Rejection> {
    let bad = |text: &str| Rejection::about(RejectionReason::BadValue, text);
    let code = element.required_attribute("Code")?;
    let seconds = element.attribute("RetryAfter").map(|text| text.parse().map_err(|_| bad(text)));
    Ok(Refusal {
        code: code.parse().map_err(|_| bad(code))?,
        retry_after_seconds: seconds.transpose()?,
        time: wire::optional_instant(element, "Time")?,
    })
}

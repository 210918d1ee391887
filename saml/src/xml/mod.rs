//! The only reader and the only writer of XML in this crate: a strict subset of XML 1.0 with namespaces, without DTD, entities,
//! processing instructions and CDATA.

mod canonical;
mod document;
mod lanes;
mod name;
mod reader;
mod scan;
mod sequence;
mod work;
mod writer;

pub(crate) use canonical::{Canonical, Method};
pub(crate) use document::{Document, Element};
pub(crate) use name::{Namespace, is_ncname};
pub(crate) use reader::Comments;
pub(crate) use sequence::Sequence;
pub(crate) use writer::Writer;

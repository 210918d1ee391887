//! The install options of every flavour, from one table.

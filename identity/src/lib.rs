//! The process identity token.

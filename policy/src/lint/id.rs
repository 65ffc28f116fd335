//! The kinds of findings: what they are called, how bad each is and what it is about. docs/lint.md has them
//! with examples; a test holds the two together.

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Not wrong: worth knowing, or tidying up.
    Note,
    /// Most likely not what was meant.
    Warning,
    /// It lets through more than a policy should.
    Danger,
}

impl Severity {
    /// `note`, `warning` or `danger`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Danger => "danger",
        }
    }
}

/// Each kind once, so that no list of them can lack one.
macro_rules! kinds {
    ($($name:ident, $code:literal, $severity:ident, $about:literal;)*) => {
        /// The kinds of findings. Their codes stay what they are: suppressions and reports refer to them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum LintId {
            $(#[doc = $about] $name,)*
        }

        impl LintId {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The name on every surface, for example `any-to-any`.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }

            /// How bad it is.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity),* }
            }

            /// What it is about, in one sentence.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self { $(Self::$name => $about),* }
            }
        }
    };
}

kinds! {
    AnyToAny, "any-to-any", Danger, "Every recognised process may reach everything.";
    AnyDestination, "any-destination", Warning, "A process may reach everything there is.";
    AnyToAnyService, "any-to-any-service", Warning, "Every recognised process may reach every destination, by some ports, methods or paths.";
    AnyDestinationService, "any-destination-service", Note, "A process may reach every destination, by some ports, methods or paths.";
    AnyHost, "any-host", Danger, "A destination is any host at all.";
    WideHost, "wide-host", Warning, "A destination has domains with names of strangers, or all namespaces of a cluster.";
    WholeNamespace, "whole-namespace", Note, "A destination has all services of a namespace.";
    AnyAddress, "any-address", Danger, "A destination is every address of a family.";
    WideRange, "wide-range", Warning, "A destination has more addresses than any one network.";
    EveryPort, "every-port", Note, "The ports of a rule leave none out.";
    EveryMethod, "every-method", Note, "The methods of a rule leave out none that reads or changes anything.";
    EveryPath, "every-path", Note, "The paths of a rule leave none out.";
    Unidentified, "unidentified", Danger, "Connections without identity are let through.";
    AuditMode, "audit-mode", Note, "Nothing is denied yet.";
    Plaintext, "plaintext", Warning, "Sensitive data may go over a protocol without encryption.";
    Shadowed, "shadowed", Warning, "Denies take all that a rule allows.";
    Contradictory, "contradictory", Warning, "Denies take all of something that a rule names.";
    Redundant, "redundant", Note, "Without the rule every verdict is the same.";
    NeverMatches, "never-matches", Warning, "No connection can meet the rule.";
    NotHit, "not-hit", Note, "The rule decided nothing in the given logs.";
    MethodCase, "method-case", Warning, "No client sends the method in this spelling.";
    UnusedProcess, "unused-process", Note, "No rule is about the process.";
    UnusedDestination, "unused-destination", Note, "No rule is about the destination.";
    Overlap, "overlap", Note, "Two destinations share hosts or addresses.";
    OverlapLabels, "overlap-labels", Warning, "One place has two values for one label.";
    RepeatedDigest, "repeated-digest", Note, "A digest stands twice in one list.";
    StaleDigest, "stale-digest", Note, "Nobody ran this digest in the given logs.";
    SameProcess, "same-process", Warning, "Nothing tells two processes apart.";
    WideScope, "wide-scope", Danger, "A key may sign for the whole trust domain.";
    SameScope, "same-scope", Note, "Several keys may sign for the same.";
    AgeingKey, "ageing-key", Note, "A key is due for replacement within a month.";
    OldKey, "old-key", Warning, "A key is more than a year old.";
    NoReason, "no-reason", Warning, "A suppression gives no reason.";
    UnusedSuppression, "unused-suppression", Warning, "A suppression is about nothing that is found.";
}

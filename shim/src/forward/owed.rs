//! What the program has sent and the destination has not got yet: the shim stays for that when the
//! program has ended, as the kernel would.

use std::cell::Cell;
use std::rc::Rc;

/// How many connections owe something.
#[derive(Debug, Default)]
pub(super) struct Owed(Rc<Cell<usize>>);

/// One connection owes, until this is dropped.
#[derive(Debug)]
pub(super) struct Debt(Rc<Cell<usize>>);

impl Owed {
    pub(super) fn owe(&self) -> Debt {
        self.0.set(self.0.get().saturating_add(1));
        Debt(Rc::clone(&self.0))
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.0.get() == 0
    }
}

impl Drop for Debt {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

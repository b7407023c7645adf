//! What a step says when it is done.

use serde::{Deserialize, Serialize};

/// One thing that went wrong while the rest went on: a subject, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    pub subject: String,
    pub reason: String,
}

impl Problem {
    pub fn new(subject: impl Into<String>, reason: impl ToString) -> Self {
        Self { subject: subject.into(), reason: reason.to_string() }
    }
}

/// The problems of a step. At most [`Report::MOST_LISTED`] are kept in words, all are counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub problem_count: u64,
    pub problems: Vec<Problem>,
}

impl Report {
    /// Memory must not grow with what fails: beyond this, problems are counted only.
    pub const MOST_LISTED: usize = 1000;

    pub fn add(&mut self, problem: Problem) {
        self.problem_count += 1;
        if self.problems.len() < Self::MOST_LISTED {
            self.problems.push(problem);
        }
    }

    pub fn merge(&mut self, other: Self) {
        let listed = other.problems.len() as u64;
        other.problems.into_iter().for_each(|problem| self.add(problem));
        self.problem_count += other.problem_count - listed;
    }

    pub fn is_clean(&self) -> bool {
        self.problem_count == 0
    }
}

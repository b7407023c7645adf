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
    /// Whether one of them is a source that lost much: until it is accepted, no backup may go.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shrunken: bool,
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

    /// A source that lost more than the guard allows.
    pub fn add_shrunken(&mut self, problem: Problem) {
        self.add(problem);
        self.shrunken = true;
    }

    pub fn merge(&mut self, other: Self) {
        let listed = other.problems.len() as u64;
        other.problems.into_iter().for_each(|problem| self.add(problem));
        self.problem_count += other.problem_count - listed;
        self.shrunken |= other.shrunken;
    }

    pub fn is_clean(&self) -> bool {
        self.problem_count == 0
    }
}

//! Value types and definitions shared by the commands' arguments.

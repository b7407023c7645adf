//! One file a subcommand: arguments, help, and a recipe.

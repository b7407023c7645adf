//! The configuration file and the environment, resolved once into [`Settings`].

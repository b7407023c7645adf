//! Prometheus' text format, as far as dcs writes it.

use std::collections::BTreeMap;
use std::fmt;

/// Metrics by name.
#[derive(Debug, Default)]
pub struct Families(BTreeMap<String, Family>);

/// One metric: its help, and its values by their labels as they are written.
#[derive(Debug, Default)]
pub struct Family {
    help: Option<String>,
    samples: BTreeMap<String, String>,
}

/// Only what begins so is ours, and is kept.
const PREFIX: &str = "dcs_";

impl Families {
    /// Reads what dcs wrote; other lines are passed over.
    pub fn parse(text: &str) -> Self {
        let mut families = Self::default();
        for line in text.lines() {
            if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
                families.family(name).help = Some(help.to_owned());
            } else if let Some((name, labels, value)) = sample(line) {
                families.family(name).samples.insert(labels.to_owned(), value.to_owned());
            }
        }
        families.0.retain(|name, family| name.starts_with(PREFIX) && !family.samples.is_empty());
        families
    }

    fn family(&mut self, name: &str) -> &mut Family {
        self.0.entry(name.to_owned()).or_default()
    }

    pub fn set(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.family(name).samples.insert(written(labels), value.to_string());
    }

    pub fn remove(&mut self, name: &str, labels: &[(&str, &str)]) {
        self.family(name).samples.remove(&written(labels));
    }

    /// Forgets all values of a metric.
    pub fn clear(&mut self, name: &str) {
        self.family(name).samples.clear();
    }

    /// Says what a metric is.
    pub fn describe(&mut self, name: &str, help: &str) {
        self.family(name).help = Some(help.to_owned());
    }
}

impl fmt::Display for Families {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, family) in self.0.iter().filter(|(_, family)| !family.samples.is_empty()) {
            if let Some(help) = &family.help {
                writeln!(formatter, "# HELP {name} {help}")?;
            }
            writeln!(formatter, "# TYPE {name} gauge")?;
            for (labels, value) in &family.samples {
                writeln!(formatter, "{name}{labels} {value}")?;
            }
        }
        Ok(())
    }
}

/// `{a="b",c="d"}`, or nothing.
fn written(labels: &[(&str, &str)]) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
    format!("{{{}}}", pairs.join(","))
}

/// Name, labels and value of a line that is a sample.
fn sample(line: &str) -> Option<(&str, &str, &str)> {
    let (left, value) = line.trim_end().rsplit_once(' ')?;
    value.parse::<f64>().ok()?;
    let (name, labels) = left.find('{').map_or((left, ""), |at| left.split_at(at));
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (is_name && (labels.is_empty() || labels.ends_with('}'))).then_some((name, labels, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let mut families = Families::default();
        families.set("dcs_a", &[("command", "a \"b\" \\ {c}\nd")], 1.5);
        families.set("dcs_b", &[], 1_700_000_000.25);
        families.describe("dcs_a", "What it is.");
        let text = families.to_string();
        assert_eq!(Families::parse(&text).to_string(), text);
        assert!(text.contains("dcs_b 1700000000.25\n"), "{text}");
    }
}

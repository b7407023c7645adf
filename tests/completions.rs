//! The completions in the shells that they are for: something is completed, as a person does with the tab key.

use std::process::Command;

mod support;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/completions");

/// What a shell answers to a script.
fn answer(shell: &str, arguments: &[&str], script: &str) -> Option<String> {
    if !support::has_tool(shell) {
        return None;
    }
    let home = support::folder();
    let mut command = Command::new(shell);
    command.args(arguments).args(["-c", script]).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", home.path());
    let output = command.env("TERM", "dumb").env("FOLDER", FOLDER).output().expect("the shell runs");
    assert!(output.stderr.is_empty(), "{shell}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn bash_completes_commands_and_options() {
    let complete = |words: &str, last: &str, before: &str| {
        let script = format!(
            ". \"$FOLDER/dcs.bash\"; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _dcs dcs {last} {before}; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        answer("bash", &["--norc"], &script)
    };
    let Some(commands) = complete("dcs backup l", "l", "backup") else { return };
    assert_eq!(commands.split_whitespace().collect::<Vec<_>>(), ["list", "ls"]);
    let options = complete("dcs restore-db --und", "--und", "restore-db").expect("bash is here");
    assert_eq!(options.trim(), "--undo");
    let values = complete("dcs verify --level c", "c", "--level").expect("bash is here");
    assert_eq!(values.split_whitespace().collect::<Vec<_>>(), ["checksum", "contents"]);
}

#[test]
fn fish_completes_commands_and_options() {
    let complete = |line: &str| {
        let script = format!("source $FOLDER/dcs.fish; complete --do-complete '{line}'");
        let words = answer("fish", &["--no-config"], &script)?;
        let names = words.lines().map(|line| line.split('\t').next().unwrap_or_default().to_owned());
        Some(names.collect::<Vec<_>>())
    };
    let Some(commands) = complete("dcs backup l") else { return };
    assert_eq!(commands, ["list", "ls"]);
    assert_eq!(complete("dcs restore-db --und").expect("fish is here"), ["--undo"]);
    assert_eq!(complete("dcs schedule pr").expect("fish is here"), ["print"]);
}

/// A terminal in which the tab key is pressed: what the line became is what runs.
const ZSH: &str = r#"
    zmodload zsh/zpty
    zpty shell zsh -f -i
    zpty -w shell 'fpath=($FOLDER $fpath); autoload -Uz compinit; compinit -u -D; dcs() { echo "R""AN $* E""ND" }'
    for line in 'dcs backup acc' 'dcs restore-db --und' 'dcs sched'; do
        zpty -w -n shell "$line"$'\t\n'
        zpty -r -m shell answer '*RAN*END*'
        print -r -- "${${answer##*RAN }%% END*}"
    done
    zpty -d shell
"#;

#[test]
fn zsh_completes_commands_and_options() {
    let Some(answer) = answer("zsh", &["-f"], ZSH) else { return };
    assert_eq!(answer.lines().map(str::trim).collect::<Vec<_>>(), ["backup accept", "restore-db --undo", "schedule"]);
}

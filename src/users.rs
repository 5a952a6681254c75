//! `placido users`: the roles of the server, made and changed on the machine where they are kept.
//!
//! A running server sees the change within a second. Whoever can write to the data folder may do all of it.

use std::io::{BufRead as _, IsTerminal as _};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::access::roles::{Actor, Change, Membership, Options};
use crate::access::scram::Verifier;
use crate::access::{Access, AccessError};
use crate::error::{Error, Result};
use crate::settings::Settings;

/// What `placido users` takes.
#[derive(Debug, Args)]
pub(crate) struct Users {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a user, and ask for the password
    Add(Add),
    /// List roles: users, and those that only hold rights
    List,
    /// Remove a role with everything that is granted to it
    Remove {
        /// The role
        name: String,
    },
    /// Give a user another password
    Password {
        /// The user
        name: String,
        #[command(flatten)]
        password: PasswordSource,
    },
}

#[derive(Debug, Args)]
struct Add {
    /// The user
    name: String,
    /// A role that the user is a member of; it is made where there is none of that name
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// Nothing is forbidden to a superuser: patients' names can be read, users made, rights granted
    #[arg(long)]
    superuser: bool,
    /// May make other roles, but no superusers
    #[arg(long)]
    create_role: bool,
    /// A role without a password that cannot log in: rights are granted to it, and users are its members
    #[arg(long, conflicts_with_all = ["superuser", "password_stdin"])]
    no_login: bool,
    #[command(flatten)]
    password: PasswordSource,
}

/// Where a password comes from. It is never an argument: those can be seen by everybody on the machine.
#[derive(Debug, Args)]
struct PasswordSource {
    /// Read the password from the first line of standard input instead of asking twice; PLACIDO_PASSWORD in the environment does
    /// the same
    #[arg(long)]
    password_stdin: bool,
}

impl From<AccessError> for Error {
    fn from(error: AccessError) -> Self {
        Self::Setting(error.to_string())
    }
}

/// Runs the command.
pub(crate) fn run(users: &Users, settings: &Settings) -> Result<ExitCode> {
    let access = Access::open(settings.access_file(), None)?;
    match &users.command {
        Command::Add(add) => add_user(&access, add)?,
        Command::List => list(&access),
        Command::Remove { name } => {
            let changes = [Change::DropGrants(name.clone()), Change::Drop(name.clone())];
            access.change(Actor::Everything, &changes)?;
            println!("{name} is removed");
        }
        Command::Password { name, password } => {
            if access.roles().get(name).is_none() {
                return Err(Error::Setting(format!("role \"{name}\" does not exist; `placido users list` names those that do")));
            }
            let options = Options { password: Some(Some(password.verifier()?)), ..Options::default() };
            access.change(Actor::Everything, &[Change::Alter(name.clone(), options)])?;
            println!("{name} has a new password");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn add_user(access: &Access, add: &Add) -> Result<()> {
    // Nobody should type a password only to hear that the name is taken.
    if access.roles().get(&add.name).is_some() {
        let name = &add.name;
        return Err(Error::Setting(format!(
            "role \"{name}\" already exists; `placido users password {name}` changes its password"
        )));
    }
    let options = Options {
        login: Some(!add.no_login),
        superuser: Some(add.superuser),
        create_role: Some(add.create_role),
        password: if add.no_login { None } else { Some(Some(add.password.verifier()?)) },
        ..Options::default()
    };
    let mut changes = Vec::new();
    for role in &add.roles {
        if access.roles().get(role).is_none() {
            changes.push(Change::Create(role.clone(), Options::default()));
        }
    }
    changes.push(Change::Create(add.name.clone(), options));
    for role in &add.roles {
        let (role, member) = (role.clone(), add.name.clone());
        changes.push(Change::Join(Membership { role, member, admin: false, inherit: true, set: true }));
    }
    access.change(Actor::Everything, &changes)?;
    println!("{} is made", add.name);
    Ok(())
}

fn list(access: &Access) {
    let roles = access.roles();
    if roles.iter().next().is_none() {
        println!("There are no roles. Without users, whoever works on this machine is trusted, and nobody else is let in.");
        return;
    }
    let mut rows = vec![["name", "login", "superuser", "member of", "password"].map(str::to_owned)];
    let mark = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    for (name, role) in roles.iter() {
        let of: Vec<&str> =
            roles.memberships().iter().filter(|step| step.member == *name).map(|step| step.role.as_str()).collect();
        let password = match (&role.password, role.valid_until.and_then(chrono::DateTime::from_timestamp_micros)) {
            (None, _) => "none".to_owned(),
            (Some(_), None) => "set".to_owned(),
            (Some(_), Some(end)) => format!("until {}", end.format("%Y-%m-%d %H:%M UTC")),
        };
        rows.push([name.clone(), mark(role.login), mark(role.superuser), of.join(", "), password]);
    }
    let mut widths = [0; 5];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in &rows {
        let line: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        println!("{}", line.join("  ").trim_end());
    }
}

impl PasswordSource {
    fn verifier(&self) -> Result<Verifier> {
        let password = self.read()?;
        if password.is_empty() {
            return Err(Error::Setting("an empty string is not a valid password".to_owned()));
        }
        // A verifier that PostgreSQL has stored is one here too.
        if let Some(verifier) = Verifier::parse(&password) {
            return Ok(verifier);
        }
        Verifier::of(&password).map_err(|error| Error::Setting(error.to_string()))
    }

    fn read(&self) -> Result<String> {
        let failed = |error: std::io::Error| Error::Io(format!("the password could not be read: {error}"));
        if self.password_stdin {
            let mut line = String::new();
            std::io::stdin().lock().read_line(&mut line).map_err(failed)?;
            return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
        }
        if let Ok(password) = std::env::var("PLACIDO_PASSWORD") {
            return Ok(password);
        }
        if !std::io::stdin().is_terminal() {
            return Err(Error::Setting(
                "there is no terminal to ask for the password; give it with --password-stdin or in PLACIDO_PASSWORD".to_owned(),
            ));
        }
        let terminal = console::Term::stderr();
        let ask = |question: &str| {
            eprint!("{question}");
            terminal.read_secure_line().map_err(failed)
        };
        let (first, second) = (ask("Password: ")?, ask("Once more: ")?);
        if first != second {
            return Err(Error::Setting("the two passwords are not the same; nothing was changed".to_owned()));
        }
        Ok(first)
    }
}

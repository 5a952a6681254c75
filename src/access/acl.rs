//! Who may do what with one thing, beside its owner. What a client made carries its list with it: a ROLLBACK takes a grant back, a
//! new name keeps it, and it ends with the thing.

use serde::{Deserialize, Serialize};

use super::privilege::Privilege;

/// A list of rights.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acl {
    /// Whether anything was ever granted or revoked; PostgreSQL shows NULL until then.
    touched: bool,
    entries: Vec<AclEntry>,
}

/// One right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AclEntry {
    /// The role, or [`PUBLIC`](super::roles::PUBLIC).
    pub to: String,
    /// What it may do.
    pub privilege: Privilege,
    /// Whether it may grant the same to others.
    #[serde(default)]
    pub grantable: bool,
}

impl Acl {
    /// A list in which a role, or everybody, has these rights.
    pub fn of(to: &str, privileges: &[Privilege]) -> Self {
        let mut acl = Self::default();
        privileges.iter().for_each(|privilege| acl.grant(to, *privilege, false));
        acl
    }

    /// Whether anything was ever granted or revoked.
    pub fn is_touched(&self) -> bool {
        self.touched
    }

    /// The rights, in the order in which they were granted.
    pub fn entries(&self) -> &[AclEntry] {
        &self.entries
    }

    /// GRANT.
    pub fn grant(&mut self, to: &str, privilege: Privilege, grantable: bool) {
        self.touched = true;
        match self.entries.iter_mut().find(|entry| entry.to == to && entry.privilege == privilege) {
            Some(entry) => entry.grantable |= grantable,
            None => self.entries.push(AclEntry { to: to.to_owned(), privilege, grantable }),
        }
    }

    /// REVOKE, or of its GRANT OPTION only. Returns what was taken.
    pub fn revoke(&mut self, from: &str, privilege: Privilege, only_option: bool) -> Option<AclEntry> {
        self.touched = true;
        let at = self.entries.iter().position(|entry| entry.to == from && entry.privilege == privilege)?;
        if only_option {
            let entry = self.entries.get_mut(at)?;
            let taken = entry.clone();
            entry.grantable = false;
            return Some(taken);
        }
        Some(self.entries.remove(at))
    }

    /// Takes all rights of a role.
    pub fn forget(&mut self, role: &str) {
        self.entries.retain(|entry| entry.to != role);
    }

    /// Writes another name for a role.
    pub fn rename(&mut self, from: &str, to: &str) {
        self.entries.iter_mut().filter(|entry| entry.to == from).for_each(|entry| to.clone_into(&mut entry.to));
    }

    /// Whether a role has any right.
    pub fn names(&self, role: &str) -> bool {
        self.entries.iter().any(|entry| entry.to == role)
    }
}

/// The list as PostgreSQL writes it: an `aclitem` for the owner, who has all `rights`, and one for each other role. `granted` are the
/// entries in the order of their grants.
pub fn items<'a>(owner: &str, rights: &[Privilege], granted: impl IntoIterator<Item = &'a AclEntry>) -> Vec<String> {
    let mut roles: Vec<(&str, Vec<&AclEntry>)> = Vec::new();
    for entry in granted {
        match roles.iter_mut().find(|(role, _)| *role == entry.to) {
            Some((_, entries)) => entries.push(entry),
            None => roles.push((&entry.to, vec![entry])),
        }
    }
    let letters: String = rights.iter().map(|privilege| privilege.letter()).collect();
    let owner_name = quoted(owner);
    let mut items = vec![format!("{owner_name}={letters}/{owner_name}")];
    for (role, entries) in roles.iter().filter(|(role, _)| *role != owner) {
        let name = if *role == super::roles::PUBLIC { String::new() } else { quoted(role) };
        let letter = |privilege: &Privilege| {
            let entry = entries.iter().find(|entry| entry.privilege == *privilege)?;
            Some(format!("{}{}", privilege.letter(), if entry.grantable { "*" } else { "" }))
        };
        let letters: String = rights.iter().filter_map(letter).collect();
        if !letters.is_empty() {
            items.push(format!("{name}={letters}/{owner_name}"));
        }
    }
    items
}

/// A name as an `aclitem` writes it.
pub fn quoted(name: &str) -> String {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_written_as_postgres_writes_it() {
        let mut acl = Acl::default();
        acl.grant("bert", Privilege::Select, false);
        acl.grant("public", Privilege::Select, false);
        acl.grant("bert", Privilege::Insert, true);
        acl.grant("Anna Maria", Privilege::Select, false);
        // PostgreSQL 15.18: relacl of a table of carl after these four grants.
        let expected = ["carl=arwdDxt/carl", "bert=a*r/carl", "=r/carl", "\"Anna Maria\"=r/carl"];
        assert_eq!(items("carl", &Privilege::OF_RELATION, acl.entries()), expected);
        assert!(acl.revoke("bert", Privilege::Insert, true).is_some_and(|taken| taken.grantable));
        assert!(acl.revoke("bert", Privilege::Update, false).is_none());
        acl.forget("public");
        assert_eq!(items("carl", &Privilege::OF_RELATION, acl.entries())[1..], ["bert=ar/carl", "\"Anna Maria\"=r/carl"]);
    }
}

//! What a role may do at a moment.

use std::collections::BTreeSet;

use super::acl::AclEntry;
use super::privilege::{Object, Privilege};
use super::roles::PUBLIC;

/// What a role may do at a moment: its own rights, those of the roles that it inherits from, and those of everybody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights {
    /// Whether there is such a role: one that does not exist may not even do what everybody may.
    pub(super) exists: bool,
    pub(super) everything: bool,
    pub(super) create_role: bool,
    pub(super) grants: BTreeSet<(Privilege, Object)>,
    pub(super) grantable: BTreeSet<(Privilege, Object)>,
    pub(super) roles: BTreeSet<String>,
}

impl Rights {
    /// Those of a superuser.
    pub fn everything() -> Self {
        Self { exists: true, everything: true, create_role: true, ..Self::default() }
    }

    /// Whether nothing is forbidden.
    pub fn is_everything(&self) -> bool {
        self.everything
    }

    /// Whether they include those of a role.
    pub fn include(&self, role: &str) -> bool {
        self.everything || self.roles.contains(role)
    }

    /// Whether something may be done with an object. For a table or view that does not say that its schema may be used.
    pub fn may(&self, privilege: Privilege, object: &Object) -> bool {
        self.everything || has(&self.grants, privilege, object)
    }

    /// Whether the same may be granted to others.
    pub fn may_grant(&self, privilege: Privilege, object: &Object) -> bool {
        self.everything || has(&self.grantable, privilege, object)
    }

    /// Whether one of these entries gives a right, or the right to grant it.
    pub fn are_given<'a>(&self, entries: impl IntoIterator<Item = &'a AclEntry>, privilege: Privilege, to_grant: bool) -> bool {
        let concerns = |to: &str| to == PUBLIC && self.exists || self.roles.contains(to);
        let gives = |entry: &AclEntry| entry.privilege == privilege && (entry.grantable || !to_grant) && concerns(&entry.to);
        self.everything || entries.into_iter().any(gives)
    }

    /// Whether what a schema holds may be found.
    pub fn may_use(&self, schema: &str) -> bool {
        self.may(Privilege::Usage, &Object::Schema(schema.to_owned()))
    }

    /// Whether a table or view may be found and read.
    pub fn may_read(&self, schema: &str, name: &str) -> bool {
        self.may_use(schema) && self.may(Privilege::Select, &Object::Relation(schema.to_owned(), name.to_owned()))
    }
}

fn has(set: &BTreeSet<(Privilege, Object)>, privilege: Privilege, object: &Object) -> bool {
    let within = match object {
        Object::Relation(schema, _) => Some(Object::AllIn(schema.clone())),
        Object::Model(_) => Some(Object::AllModels),
        _ => None,
    };
    set.contains(&(privilege, object.clone())) || within.is_some_and(|all| set.contains(&(privilege, all)))
}

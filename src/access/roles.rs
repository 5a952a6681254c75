//! Roles, who is a member of which, and what is granted to them: plain data and the rules of PostgreSQL 16 over it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use super::change::{Actor, Change, Options};
pub use super::privilege::{Object, Privilege, denied_on};
pub use super::rights::Rights;
use super::scram::Verifier;

/// The name that stands for everybody.
pub const PUBLIC: &str = "public";

/// Schemas whose rows every role may read unless that is revoked: patients are known by key there, not by name.
const OPEN_SCHEMAS: &[&str] = &["bronze", "silver", "gold", "serving", "ml", "system"];

/// A role; one that can log in is a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// Stays the same when the role is renamed.
    pub oid: u32,
    /// Whether it can log in.
    #[serde(default)]
    pub login: bool,
    /// Whether nothing is forbidden to it.
    #[serde(default)]
    pub superuser: bool,
    /// Whether it may make other roles.
    #[serde(default)]
    pub create_role: bool,
    /// Whether it has the rights of the roles that it is a member of without `SET ROLE`.
    #[serde(default = "yes")]
    pub inherit: bool,
    /// Sessions that it may have at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_limit: Option<u32>,
    /// What is kept of its password.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "verifier_text")]
    pub password: Option<Verifier>,
    /// When the password ends, in microseconds since 1970-01-01 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<i64>,
}

fn yes() -> bool {
    true
}

mod verifier_text {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use super::Verifier;

    pub(super) fn serialize<S: Serializer>(verifier: &Option<Verifier>, to: S) -> Result<S::Ok, S::Error> {
        match verifier {
            Some(verifier) => to.collect_str(verifier),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Verifier>, D::Error> {
        let text = String::deserialize(from)?;
        Verifier::parse(&text).map(Some).ok_or_else(|| serde::de::Error::custom("a password is no SCRAM-SHA-256 verifier"))
    }
}

/// The membership of a role in another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Membership {
    /// The role whose rights are given.
    pub role: String,
    /// The role that has them.
    pub member: String,
    /// Whether the member may let others in.
    #[serde(default)]
    pub admin: bool,
    /// Whether the member has the rights without `SET ROLE`.
    #[serde(default = "yes")]
    pub inherit: bool,
    /// Whether the member may `SET ROLE`.
    #[serde(default = "yes")]
    pub set: bool,
}

/// A right that a role has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// The role, or [`PUBLIC`].
    pub to: String,
    /// What it may do.
    pub privilege: Privilege,
    /// With what.
    pub on: Object,
    /// Whether it may grant the same to others.
    #[serde(default)]
    pub grantable: bool,
}

/// All roles, memberships and grants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roles {
    /// From which the salts of unknown users are made.
    #[serde(with = "bytes_text")]
    pub(super) secret: Vec<u8>,
    /// Whether a role that can log in was ever made: from then on nobody is trusted for coming from this machine.
    pub(super) closed: bool,
    pub(super) next_oid: u32,
    #[serde(default, rename = "role")]
    pub(super) roles: BTreeMap<String, Role>,
    #[serde(default, rename = "member")]
    pub(super) memberships: Vec<Membership>,
    #[serde(default, rename = "grant")]
    pub(super) grants: Vec<Grant>,
}

mod bytes_text {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD as BASE64;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&BASE64.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        BASE64.decode(String::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

impl Roles {
    /// No roles yet, and what everybody may read by default.
    pub fn new(secret: Vec<u8>) -> Self {
        let to_all = |privilege, on| Grant { to: PUBLIC.to_owned(), privilege, on, grantable: false };
        let mut grants = vec![to_all(Privilege::Execute, Object::AllModels)];
        for schema in OPEN_SCHEMAS {
            grants.push(to_all(Privilege::Usage, Object::Schema((*schema).to_owned())));
            grants.push(to_all(Privilege::Select, Object::AllIn((*schema).to_owned())));
        }
        // Below are the identifiers of PostgreSQL's own objects.
        Self { secret, closed: false, next_oid: 16_384, roles: BTreeMap::new(), memberships: Vec::new(), grants }
    }

    /// What the salts of unknown users are made of.
    pub fn secret(&self) -> &[u8] {
        &self.secret
    }

    /// Whether there was ever a role that can log in.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// The role of a name.
    pub fn get(&self, name: &str) -> Option<&Role> {
        self.roles.get(name)
    }

    /// Names and roles, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Role)> {
        self.roles.iter()
    }

    /// All memberships.
    pub fn memberships(&self) -> &[Membership] {
        &self.memberships
    }

    /// All grants.
    pub fn grants(&self) -> &[Grant] {
        &self.grants
    }

    /// Whether a role is, directly or through others, a member of another, by memberships that `through` lets pass. Everybody is
    /// a member of themselves.
    pub fn is_member(&self, member: &str, role: &str, through: impl Fn(&Membership) -> bool) -> bool {
        let mut seen = BTreeSet::from([member]);
        let mut open = vec![member];
        while let Some(next) = open.pop() {
            if next == role {
                return true;
            }
            for step in self.memberships.iter().filter(|step| step.member == next && through(step)) {
                if seen.insert(&step.role) {
                    open.push(&step.role);
                }
            }
        }
        false
    }

    /// Whether `user` may `SET ROLE` to `role`, which exists.
    pub fn may_become(&self, user: &str, role: &str) -> bool {
        self.get(user).is_some_and(|user| user.superuser) || self.is_member(user, role, |step| step.set)
    }

    /// What a role may do. One that does not exist may do nothing, not even what everybody may.
    pub fn rights(&self, name: &str) -> Rights {
        let Some(role) = self.get(name) else { return Rights::default() };
        let mut acting = BTreeSet::new();
        let mut open = vec![name];
        while let Some(next) = open.pop() {
            let inherits = self.get(next).is_some_and(|role| role.inherit);
            if acting.insert(next.to_owned()) && inherits {
                open.extend(
                    self.memberships.iter().filter(|step| step.member == next && step.inherit).map(|step| step.role.as_str()),
                );
            }
        }
        self.held(role.superuser, role.create_role, acting)
    }

    /// What everybody may do.
    pub fn rights_of_everybody(&self) -> Rights {
        self.held(false, false, BTreeSet::new())
    }

    fn held(&self, everything: bool, create_role: bool, acting: BTreeSet<String>) -> Rights {
        let held = |grant: &&Grant| grant.to == PUBLIC || acting.contains(&grant.to);
        Rights {
            exists: true,
            everything,
            create_role,
            grants: self.grants.iter().filter(held).map(|grant| (grant.privilege, grant.on.clone())).collect(),
            grantable: self
                .grants
                .iter()
                .filter(|grant| grant.grantable && acting.contains(&grant.to))
                .map(|grant| (grant.privilege, grant.on.clone()))
                .collect(),
            roles: acting,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn roles(names: &[&str]) -> Roles {
        let mut roles = Roles::new(vec![1]);
        for name in names {
            let options = Options { login: Some(true), ..Options::default() };
            roles.change(Actor::Everything, &Change::Create((*name).to_owned(), options)).unwrap();
        }
        roles
    }

    fn join(role: &str, member: &str) -> Change {
        Change::Join(Membership { role: role.into(), member: member.into(), admin: false, inherit: true, set: true })
    }

    fn right(to: &str, privilege: Privilege, on: Object) -> Grant {
        Grant { to: to.into(), privilege, on, grantable: false }
    }

    fn raw(name: &str) -> Object {
        Object::Relation("raw".into(), name.into())
    }

    #[test]
    fn names_of_patients_are_for_those_to_whom_they_are_granted() {
        let mut roles = roles(&["anna", "bert"]);
        assert!(roles.rights("anna").may_read("gold", "eye_features"));
        assert!(!roles.rights("anna").may_read("raw", "ms39"));
        roles.change(Actor::Everything, &Change::Grant(right("anna", Privilege::Select, raw("ms39")))).unwrap();
        assert!(!roles.rights("anna").may_read("raw", "ms39"), "the schema may not be used yet");
        let usage = right("anna", Privilege::Usage, Object::Schema("raw".into()));
        roles.change(Actor::Everything, &Change::Grant(usage)).unwrap();
        assert!(roles.rights("anna").may_read("raw", "ms39"));
        assert!(!roles.rights("anna").may_read("raw", "corvis") && !roles.rights("bert").may_read("raw", "ms39"));
        assert!(!roles.rights("nobody").may_read("gold", "eye_features"), "who is no role may nothing");
    }

    #[test]
    fn rights_come_through_roles_as_far_as_they_inherit() {
        let mut roles = roles(&["anna", "clinician", "reader"]);
        for change in [join("clinician", "anna"), join("reader", "clinician")] {
            roles.change(Actor::Everything, &change).unwrap();
        }
        roles.change(Actor::Everything, &Change::Grant(right("reader", Privilege::Select, raw("x")))).unwrap();
        assert!(roles.rights("anna").may(Privilege::Select, &raw("x")));
        let alone = Options { inherit: Some(false), ..Options::default() };
        roles.change(Actor::Everything, &Change::Alter("anna".into(), alone)).unwrap();
        assert!(!roles.rights("anna").may(Privilege::Select, &raw("x")));
        assert!(roles.may_become("anna", "reader") && !roles.may_become("reader", "anna"));
        let error = roles.change(Actor::Everything, &join("anna", "reader")).unwrap_err();
        assert_eq!(error.code, "0LP01", "no circles");
    }

    #[test]
    fn one_table_can_be_taken_out_of_a_right_on_all() {
        let mut roles = roles(&["anna"]);
        let take = |name: &str, siblings: &[&str]| Change::Revoke {
            grant: right(PUBLIC, Privilege::Select, Object::Relation("gold".into(), name.into())),
            only_option: false,
            siblings: siblings.iter().map(|name| (*name).to_owned()).collect(),
        };
        roles.change(Actor::Everything, &take("a", &["a", "b", "c"])).unwrap();
        let rights = roles.rights("anna");
        assert!(!rights.may_read("gold", "a") && rights.may_read("gold", "b") && rights.may_read("gold", "c"));
        let all = right(PUBLIC, Privilege::Select, Object::AllIn("gold".into()));
        let change = Change::Revoke { grant: all, only_option: false, siblings: Vec::new() };
        roles.change(Actor::Everything, &change).unwrap();
        assert!(!roles.rights("anna").may_read("gold", "b"));
    }

    #[test]
    fn only_who_may_change_rights_does() {
        let mut roles = roles(&["anna", "bert", "chief"]);
        let maker = Options { create_role: Some(true), ..Options::default() };
        roles.change(Actor::Everything, &Change::Alter("chief".into(), maker)).unwrap();
        let code =
            |roles: &mut Roles, by: &str, change: Change| roles.change(Actor::Role(by), &change).err().map(|error| error.code);
        let create = |name: &str, options: Options| Change::Create(name.into(), options);
        let grant = Change::Grant(right("bert", Privilege::Select, raw("x")));
        assert_eq!(code(&mut roles, "anna", create("eve", Options::default())), Some("42501"));
        assert_eq!(code(&mut roles, "anna", grant.clone()), Some("42501"));
        assert_eq!(code(&mut roles, "anna", join("chief", "anna")), Some("42501"));
        let boss = Options { superuser: Some(true), ..Options::default() };
        assert_eq!(code(&mut roles, "chief", create("eve", boss.clone())), Some("42501"));
        assert_eq!(code(&mut roles, "chief", Change::Alter("chief".into(), boss.clone())), Some("42501"));
        assert_eq!(code(&mut roles, "anna", Change::Alter("anna".into(), boss)), Some("42501"));
        assert_eq!(
            code(&mut roles, "anna", Change::Alter("anna".into(), Options { password: Some(None), ..Options::default() })),
            None
        );
        assert_eq!(
            code(&mut roles, "anna", Change::Alter("bert".into(), Options { password: Some(None), ..Options::default() })),
            Some("42501")
        );
        // Who makes roles administers those, and no others.
        assert_eq!(code(&mut roles, "chief", create("eve", Options::default())), None);
        assert_eq!(code(&mut roles, "chief", join("eve", "anna")), None);
        assert_eq!(code(&mut roles, "chief", Change::Drop("bert".into())), Some("42501"));
        assert_eq!(code(&mut roles, "chief", Change::Drop("eve".into())), None);
        // A right with GRANT OPTION can be passed on, a right without it cannot.
        roles
            .change(Actor::Everything, &Change::Grant(Grant { grantable: true, ..right("anna", Privilege::Select, raw("x")) }))
            .unwrap();
        assert_eq!(code(&mut roles, "anna", grant.clone()), None);
        assert_eq!(code(&mut roles, "bert", grant), Some("42501"));
    }

    #[test]
    fn a_role_with_rights_is_not_dropped_by_accident() {
        let mut roles = roles(&["anna", "bert"]);
        roles.change(Actor::Everything, &Change::Grant(right("anna", Privilege::Select, raw("x")))).unwrap();
        roles.change(Actor::Everything, &join("bert", "anna")).unwrap();
        assert_eq!(roles.change(Actor::Everything, &Change::Drop("anna".into())).unwrap_err().code, "2BP01");
        roles.change(Actor::Everything, &Change::Rename("anna".into(), "anne".into())).unwrap();
        assert!(roles.rights("anne").may(Privilege::Select, &raw("x")) && roles.get("anna").is_none());
        roles.change(Actor::Everything, &Change::DropGrants("anne".into())).unwrap();
        roles.change(Actor::Everything, &Change::Drop("anne".into())).unwrap();
        assert!(roles.memberships().is_empty());
        assert!(roles.is_closed(), "having had users once is enough to trust nobody");
        for name in ["", "public", "none", "pg_boss", "a\nb"] {
            assert!(roles.change(Actor::Everything, &Change::Create(name.into(), Options::default())).is_err(), "{name}");
        }
    }
}

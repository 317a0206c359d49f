//! IAM instance profiles: which one an instance has. IAM here keeps none, so that every well-formed name is one,
//! as with images.

use sha2::{Digest as _, Sha256};

use super::filter::{Field, Filters, one};
use super::instance::timestamp;
use super::kind;
use super::select::{listed, page, page_size};
use crate::local::ACCOUNT_ID;
use crate::local::api::Context;
use crate::local::state::Tags;
use crate::local::state::ec2::{Instance, InstanceState, ProfileAssociation, Region};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// The ARN of the profile that a request names, if it names one: `IamInstanceProfile.Name` or `.Arn`.
pub(super) fn named(params: &Params) -> Result<Option<String>, ApiError> {
    let member = |name: &str| {
        let value = params.get(&format!("IamInstanceProfile.{name}"));
        value.filter(|value| !value.is_empty()).map(str::to_owned)
    };
    match (member("Arn"), member("Name")) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(ApiError::bad_request(
            "InvalidParameterCombination",
            "The parameter 'iamInstanceProfile.name' may not be used in combination with 'iamInstanceProfile.arn'",
        )),
        (Some(arn), None) => {
            let path = arn.strip_prefix(&format!("arn:aws:iam::{ACCOUNT_ID}:instance-profile/"));
            if path.is_some_and(|path| path.split('/').all(is_word)) {
                return Ok(Some(arn));
            }
            Err(invalid(&arn, "arn", "Invalid IAM Instance Profile ARN"))
        }
        (None, Some(name)) if is_word(&name) => {
            Ok(Some(format!("arn:aws:iam::{ACCOUNT_ID}:instance-profile/{name}")))
        }
        (None, Some(name)) => Err(invalid(&name, "name", "Invalid IAM Instance Profile name")),
    }
}

/// As the model of IAM has it: `[\w+=,.@-]+`, at most 128 characters.
fn is_word(name: &str) -> bool {
    let admitted = |character: char| character.is_ascii_alphanumeric() || "_+=,.@-".contains(character);
    (1..=128).contains(&name.len()) && name.chars().all(admitted)
}

fn invalid(value: &str, member: &str, why: &str) -> ApiError {
    let message = format!("Value ({value}) for parameter iamInstanceProfile.{member} is invalid. {why}");
    ApiError::bad_request("InvalidParameterValue", message)
}

/// A new association of an instance with a profile.
pub(super) fn association(context: &mut Context<'_>, arn: String) -> ProfileAssociation {
    ProfileAssociation { id: context.ids.resource("iip-assoc"), arn, at: context.now }
}

/// What an instance's description says of its profile.
pub(super) fn members(profile: &ProfileAssociation) -> Members {
    Members::new().text("arn", &profile.arn).text("id", id(&profile.arn))
}

/// The profile's own id, which follows from its ARN.
pub(super) fn id(arn: &str) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let letters = Sha256::digest(arn).into_iter().take(17);
    let letters = letters.map(|byte| char::from(LETTERS[usize::from(byte % 32)]));
    "AIPA".chars().chain(letters).collect()
}

fn described(instance: &Instance, profile: &ProfileAssociation, state: &str) -> Members {
    Members::new()
        .text("associationId", &profile.id)
        .text("instanceId", &instance.id)
        .structure("iamInstanceProfile", members(profile))
        .text("state", state)
        .text("timestamp", timestamp(profile.at))
}

fn answer(instance: &Instance, profile: &ProfileAssociation, state: &str) -> Members {
    Members::new().structure("iamInstanceProfileAssociation", described(instance, profile, state))
}

/// `AssociateIamInstanceProfile`: of an instance that has none.
pub(super) fn associate(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let id = params.ec2_required("InstanceId")?;
    kind::INSTANCE.check(id)?;
    let arn = named(params)?.ok_or_else(|| ApiError::missing_parameter("IamInstanceProfile"))?;
    let instance = context.here().ec2.instances.get(id).ok_or_else(|| kind::INSTANCE.not_found(&[id]))?;
    if instance.state == InstanceState::Terminated {
        let message = format!("The instance '{id}' is not in the 'running' or 'stopped' states.");
        return Err(ApiError::bad_request("IncorrectInstanceState", message));
    }
    if instance.profile.is_some() {
        let message = format!("There is an existing association for instance {id}");
        return Err(ApiError::bad_request("IncorrectState", message));
    }
    let profile = association(context, arn);
    let Some(instance) = context.here().ec2.instances.get_mut(id) else {
        return Err(kind::INSTANCE.not_found(&[id]));
    };
    instance.profile = Some(profile.clone());
    Ok(answer(instance, &profile, "associating"))
}

/// `ReplaceIamInstanceProfileAssociation`: the association gets a new id, too.
pub(super) fn replace(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let arn = named(params)?.ok_or_else(|| ApiError::missing_parameter("IamInstanceProfile"))?;
    let id = params.ec2_required("AssociationId")?;
    let profile = association(context, arn);
    let instance = holder(&mut context.here().ec2, id)?;
    instance.profile = Some(profile.clone());
    Ok(answer(instance, &profile, "associating"))
}

/// `DisassociateIamInstanceProfile`.
pub(super) fn disassociate(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let id = params.ec2_required("AssociationId")?;
    let instance = holder(&mut context.here().ec2, id)?;
    let former = instance.profile.take();
    Ok(former.map_or_else(Members::new, |former| answer(instance, &former, "disassociating")))
}

fn holder<'a>(region: &'a mut Region, id: &str) -> Result<&'a mut Instance, ApiError> {
    let mut instances = region.instances.values_mut();
    let found = instances.find(|instance| {
        instance.state != InstanceState::Terminated
            && instance.profile.as_ref().is_some_and(|profile| profile.id == id)
    });
    found.ok_or_else(|| {
        let message = format!(
            "An invalid association-id of '{id}' was given, or this association already disassociated."
        );
        ApiError::bad_request("NoSuchAssociation", message)
    })
}

const FIELDS: &[Field<Instance>] =
    &[("instance-id", |_, instance| one(&instance.id)), ("state", |_, _| one("associated"))];

/// `DescribeIamInstanceProfileAssociations`.
pub(super) fn describe(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let filters = Filters::read(params, FIELDS, false)?;
    let ids = params.ec2_list("AssociationId");
    let limit = page_size(params, 1000)?;
    let region = &context.here().ec2;
    for id in &ids {
        let held = |instance: &Instance| instance.profile.as_ref().is_some_and(|profile| profile.id == *id);
        if !region.instances.values().any(held) {
            let message = format!("The association ID '{id}' does not exist");
            return Err(ApiError::bad_request("NoSuchAssociation", message));
        }
    }
    let instances = region.instances.values();
    let associated: Vec<(&Instance, &ProfileAssociation)> = instances
        .filter(|instance| instance.state != InstanceState::Terminated)
        .filter(|instance| filters.admit(FIELDS, &Tags::new(), region, *instance))
        .filter_map(|instance| Some((instance, instance.profile.as_ref()?)))
        .filter(|(_, profile)| ids.is_empty() || ids.contains(&profile.id))
        .collect();
    let page = page(params, limit, associated, |(_, profile)| profile.id.clone())?;
    Ok(listed("iamInstanceProfileAssociationSet", page, |(instance, profile)| {
        described(instance, profile, "associated")
    }))
}

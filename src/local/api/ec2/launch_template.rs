//! Launch templates: the parameters of a launch under a name, in versions.

use super::filter::{Field, Filters, one};
use super::instance::timestamp;
use super::kind;
use super::lifecycle::check_type;
use super::select::{Resource, listed, page, page_size};
use super::tags;
use crate::local::ACCOUNT_ID;
use crate::local::api::Context;
use crate::local::state::Tags;
use crate::local::state::ec2::{LaunchTemplate, LaunchTemplateVersion, Region};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

impl Resource for LaunchTemplate {
    const KIND: &'static kind::Kind = &kind::LAUNCH_TEMPLATE;
    const FIELDS: &'static [Field<Self>] = &[
        ("create-time", |_, template| one(timestamp(template.created_at))),
        ("launch-template-name", |_, template| one(&template.name)),
    ];
    const LARGEST_PAGE: i64 = 200;

    fn id(&self) -> &str {
        &self.id
    }

    fn tags(&self) -> &Tags {
        &self.tags
    }
}

/// The template that a request names, by id or by name.
pub(in crate::local::api) fn find<'a>(
    region: &'a Region,
    params: &Params,
) -> Result<&'a LaunchTemplate, ApiError> {
    let given = |name: &str| params.get(name).filter(|value| !value.is_empty());
    match (given("LaunchTemplateId"), given("LaunchTemplateName")) {
        (Some(id), None) => {
            kind::LAUNCH_TEMPLATE.check(id)?;
            region.launch_templates.get(id).ok_or_else(|| kind::LAUNCH_TEMPLATE.not_found(&[id]))
        }
        (None, Some(name)) => {
            let found = region.launch_templates.values().find(|template| template.name == name);
            found.ok_or_else(|| unknown_name(name))
        }
        (None, None) => {
            let message = "The request must contain the parameter LaunchTemplateId or LaunchTemplateName";
            Err(ApiError::bad_request("MissingParameter", message))
        }
        (Some(_), Some(_)) => Err(ApiError::bad_request(
            "InvalidParameterCombination",
            "Only one of LaunchTemplateId and LaunchTemplateName can be specified",
        )),
    }
}

fn unknown_name(name: &str) -> ApiError {
    let message = format!("The specified launch template, with template name {name}, does not exist.");
    ApiError::bad_request("InvalidLaunchTemplateName.NotFoundException", message)
}

/// The parameters of a launch from a version of a template.
pub(in crate::local::api) fn parameters(template: &LaunchTemplate, version: &str) -> Option<Params> {
    let data = &template.versions.get(&template.number(version)?)?.data;
    let mut params = Params::default();
    for (name, value) in data {
        params.set(name, value);
    }
    Some(params)
}

pub(super) fn create(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let name = params.ec2_required("LaunchTemplateName")?;
    let admitted = |character: char| character.is_ascii_alphanumeric() || "().-/_".contains(character);
    if !(3..=128).contains(&name.len()) || !name.chars().all(admitted) {
        let message =
            format!("A launch template's name has 3 to 128 letters, digits and ().-/_, not '{name}'");
        return Err(ApiError::bad_request("InvalidLaunchTemplateName.MalformedException", message));
    }
    let version = version(context, params)?;
    let tags = tags::specified(params, &kind::LAUNCH_TEMPLATE, &[])?;
    if context.here().ec2.launch_templates.values().any(|template| template.name == name) {
        let message = "Launch template name already in use.";
        return Err(ApiError::bad_request("InvalidLaunchTemplateName.AlreadyExistsException", message));
    }
    let template = LaunchTemplate {
        id: context.ids.resource("lt"),
        name: name.to_owned(),
        created_at: context.now,
        default: 1,
        versions: [(1, version)].into(),
        tags,
    };
    let answer = Members::new().structure("launchTemplate", described(&template));
    context.here().ec2.launch_templates.insert(template.id.clone(), template);
    Ok(answer)
}

pub(super) fn create_version(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let template = find(&context.here().ec2, params)?;
    let (id, next) = (template.id.clone(), template.latest() + 1);
    let source = match params.get("SourceVersion").filter(|version| !version.is_empty()) {
        None => None,
        Some(version) => Some(template.number(version).ok_or_else(|| unknown_version(version))?),
    };
    let source = source.and_then(|number| template.versions.get(&number)).map(|version| version.data.clone());
    let mut version = version(context, params)?;
    version.data = source.unwrap_or_default().into_iter().chain(version.data).collect();
    let Some(template) = context.here().ec2.launch_templates.get_mut(&id) else {
        return Err(kind::LAUNCH_TEMPLATE.not_found(&[&id]));
    };
    template.versions.insert(next, version.clone());
    Ok(Members::new().structure("launchTemplateVersion", described_version(template, next, &version)))
}

fn version(context: &Context<'_>, params: &Params) -> Result<LaunchTemplateVersion, ApiError> {
    let data = params.structure("LaunchTemplateData");
    if data.is_empty() {
        return Err(ApiError::missing_parameter("LaunchTemplateData"));
    }
    if let Some(image) = data.get("ImageId") {
        kind::IMAGE.check(image)?;
    }
    if let Some(instance_type) = data.get("InstanceType") {
        check_type(instance_type)?;
    }
    Ok(LaunchTemplateVersion {
        description: params.get("VersionDescription").map(str::to_owned),
        created_at: context.now,
        data: data.into_values(),
    })
}

fn unknown_version(version: &str) -> ApiError {
    let message = format!("Could not find the specified version {version} of the launch template.");
    ApiError::bad_request("InvalidLaunchTemplateId.VersionNotFound", message)
}

pub(super) fn delete(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let region = &mut context.here().ec2;
    let template = find(region, params)?.clone();
    region.launch_templates.remove(&template.id);
    Ok(Members::new().structure("launchTemplate", described(&template)))
}

pub(super) fn describe(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let region = &context.here().ec2;
    let names = params.ec2_list("LaunchTemplateName");
    for name in &names {
        if !region.launch_templates.values().any(|template| template.name == *name) {
            return Err(unknown_name(name));
        }
    }
    let wanted = region.launch_templates.values();
    let wanted = wanted.filter(|template| names.is_empty() || names.contains(&template.name));
    let limit = page_size(params, LaunchTemplate::LARGEST_PAGE)?;
    let items = super::select::named_and_filtered(params, region, LaunchTemplate::FIELDS, wanted)?;
    let page = page(params, limit, items, |item| item.position())?;
    Ok(listed("launchTemplates", page, described))
}

const VERSION_FIELDS: &[Field<u32>] = &[];

pub(super) fn describe_versions(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    Filters::read(params, VERSION_FIELDS, false)?;
    let template = find(&context.here().ec2, params)?;
    let named = params.ec2_list("LaunchTemplateVersion");
    let mut numbers: Vec<u32> = Vec::new();
    for version in &named {
        numbers.push(template.number(version).ok_or_else(|| unknown_version(version))?);
    }
    if named.is_empty() {
        numbers = template.versions.keys().copied().collect();
    }
    let limit = page_size(params, 200)?;
    let page = page(params, limit, numbers, |number| format!("{number:010}"))?;
    Ok(listed("launchTemplateVersionSet", page, |number| {
        let version = template.versions.get(&number);
        version.map_or_else(Members::new, |version| described_version(template, number, version))
    }))
}

fn described(template: &LaunchTemplate) -> Members {
    Members::new()
        .text("launchTemplateId", &template.id)
        .text("launchTemplateName", &template.name)
        .text("createTime", timestamp(template.created_at))
        .text("createdBy", format!("arn:aws:iam::{ACCOUNT_ID}:user/local"))
        .text("defaultVersionNumber", template.default)
        .text("latestVersionNumber", template.latest())
        .structures("tagSet", "item", tags::set(&template.tags))
}

fn described_version(template: &LaunchTemplate, number: u32, version: &LaunchTemplateVersion) -> Members {
    let mut data = Params::default();
    for (name, value) in &version.data {
        data.set(name, value);
    }
    let profile = data.structure("IamInstanceProfile");
    let mut launch = Members::new();
    if !profile.is_empty() {
        let profile =
            Members::new().optional("arn", profile.get("Arn")).optional("name", profile.get("Name"));
        launch = launch.structure("iamInstanceProfile", profile);
    }
    launch = launch
        .optional("imageId", data.get("ImageId"))
        .optional("instanceType", data.get("InstanceType"))
        .optional("keyName", data.get("KeyName"))
        .optional("userData", data.get("UserData"))
        .texts("securityGroupIdSet", "item", data.ec2_list("SecurityGroupId"));
    Members::new()
        .text("launchTemplateId", &template.id)
        .text("launchTemplateName", &template.name)
        .text("versionNumber", number)
        .optional("versionDescription", version.description.as_ref())
        .text("createTime", timestamp(version.created_at))
        .text("createdBy", format!("arn:aws:iam::{ACCOUNT_ID}:user/local"))
        .text("defaultVersion", number == template.default)
        .structure("launchTemplateData", launch)
}

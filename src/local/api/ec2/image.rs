//! Images: there are none of its own here, and every well-formed id is one.

use super::filter::{Field, Filters, one};
use super::kind;
use crate::local::api::Context;
use crate::local::state::Tags;
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// What all images have in common.
/// This machine's: what runs on an instance runs on it.
pub(super) const ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
const OWNER: &str = "137112412989";

const FIELDS: &[Field<String>] = &[
    ("architecture", |_, _| one(ARCHITECTURE)),
    ("image-id", |_, id| one(id)),
    ("image-type", |_, _| one("machine")),
    ("is-public", |_, _| one(true)),
    ("name", |_, id| one(id)),
    ("owner-alias", |_, _| one("amazon")),
    ("owner-id", |_, _| one(OWNER)),
    ("platform", |_, _| Vec::new()),
    ("root-device-name", |_, _| one("/dev/xvda")),
    ("root-device-type", |_, _| one("ebs")),
    ("state", |_, _| one("available")),
    ("virtualization-type", |_, _| one("hvm")),
];

/// Describes the images that are named; without names there are none.
pub(super) fn describe(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let filters = Filters::read(params, FIELDS, true)?;
    let mut ids = params.ec2_list("ImageId");
    for id in &ids {
        kind::IMAGE.check(id)?;
    }
    let region = &context.here().ec2;
    ids.retain(|id| filters.admit(FIELDS, &Tags::new(), region, id));
    let described = ids.iter().map(|id| {
        Members::new()
            .text("imageId", id)
            .text("name", id)
            .text("imageLocation", format!("amazon/{id}"))
            .text("imageState", "available")
            .text("imageOwnerId", OWNER)
            .text("imageOwnerAlias", "amazon")
            .text("isPublic", true)
            .text("architecture", ARCHITECTURE)
            .text("imageType", "machine")
            .text("rootDeviceType", "ebs")
            .text("rootDeviceName", "/dev/xvda")
            .text("virtualizationType", "hvm")
            .text("hypervisor", "xen")
    });
    Ok(Members::new().structures("imagesSet", "item", described))
}

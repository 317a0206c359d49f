//! What is built in the demo's local AWS: instance → apply → healthy → probe.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::account;
use super::failure::DemoError;
use super::instance::Instance;
use super::place::Place;
use super::recipe::Recipe;
use crate::local::client::Client;
use crate::probe::{self, Report, Step, Target, Trust};
use crate::provision::aws::{Cancel, ClientOptions, Clients};
use crate::provision::desired::desired;
use crate::provision::execute::{events, execute, wait_healthy, wait_in_service};
use crate::provision::observe::observe;
use crate::provision::plan::{Adoption, plan};
use crate::provision::resource::{Architecture, LoadBalancerType, Management, ObservedProxy, ProgramFile};
use crate::provision::spec::Spec;

const REGION: &str = "us-east-1";
/// How often the instance is checked until it is in service; then as often as the spec says.
const HURRY_MS: u32 = 100;
const HEALTHY_WITHIN: Duration = Duration::from_secs(30);
const LISTENING_WITHIN: Duration = Duration::from_secs(10);

/// What finds the program that is deployed.
pub type Program = JoinHandle<Result<(Architecture, ProgramFile), DemoError>>;

/// The local AWS that it is built in.
#[derive(Debug)]
pub(super) struct Local<'a> {
    /// Its URL.
    pub(super) endpoint: &'a str,
    /// Its authority's certificate.
    pub(super) ca: &'a Path,
    /// The program that is deployed.
    pub(super) proxy: Program,
}

/// What has been reached.
#[derive(Debug)]
pub enum Milestone<'a> {
    /// The local AWS serves.
    LocalAws {
        /// Its URL.
        endpoint: &'a str,
    },
    /// The instance runs, and ws-chat on it.
    Instance {
        /// Its id.
        id: &'a str,
        /// Its private address.
        address: Ipv4Addr,
    },
    /// The spec is applied.
    Applied {
        /// Which spec.
        spec: &'a str,
        /// How many steps it took.
        steps: usize,
    },
    /// The proxy serves on the instance.
    Proxy {
        /// Whether it was deployed; otherwise the instance cannot be isolated here, and it runs in this process.
        deployed: bool,
    },
    /// The load balancer sends traffic to the instance.
    InService,
    /// A step of the probe has ended.
    Probed(&'a Step),
}

/// Builds what the demo shows, and probes it; returns the load balancer's name. What runs on the instance is put
/// into `instance` as soon as it does.
pub(super) async fn build(
    place: &Place,
    local: &mut Local<'_>,
    recipe: Recipe,
    instance: &mut Option<Instance>,
    tell: &mut dyn FnMut(Milestone<'_>),
) -> Result<String, DemoError> {
    let client = Client::new(local.endpoint)?;
    client.set_health_check_interval(HURRY_MS).await?;
    let launched = account::run_instance(&client).await?;
    account::create_bucket(&client).await?;
    let spec = recipe.spec(*place)?;
    let instance = instance.insert(Instance::start(launched.address, place.offset).await?);
    tell(Milestone::Instance { id: &launched.id, address: launched.address });

    let name = Box::pin(apply(local, recipe, &spec, instance, tell)).await?;
    for port in [place.https, place.http] {
        await_listener(port).await?;
    }
    client.set_health_check_interval(0).await?;
    let report = probe(place, local.ca, tell).await?;
    if report.passed() { Ok(name) } else { Err(DemoError::DoesNotWork) }
}

/// Applies the spec as `elbws apply` does, and waits until the instance is in service.
async fn apply(
    local: &mut Local<'_>,
    recipe: Recipe,
    spec: &Spec,
    instance: &mut Instance,
    tell: &mut dyn FnMut(Milestone<'_>),
) -> Result<String, DemoError> {
    let mut stack = desired(spec, |_| None);
    if let Some(desired) = &mut stack.proxy {
        let found = (&mut local.proxy).await.map_err(|error| DemoError::Program(error.into()))?;
        desired.programs.extend([found?]);
    }
    let clients = Clients::new(ClientOptions {
        region: Some(REGION.to_owned()),
        endpoint_url: Some(local.endpoint.to_owned()),
        local: true,
        ..ClientOptions::default()
    });
    let clients = clients.await?;
    let mut observed = Box::pin(observe(&clients, &stack)).await?;
    let managed = |proxy: &ObservedProxy| matches!(proxy.management, Management::Managed(_));
    let deployed = observed.proxies.iter().any(managed);
    if !deployed {
        instance.serve(spec.proxy.as_ref().ok_or(DemoError::NoProxy)?)?;
        stack.proxy = None;
        observed = Box::pin(observe(&clients, &stack)).await?;
    }
    let plan = plan(&stack, &observed, Adoption::Refuse)
        .map_err(|errors| DemoError::Plan { spec: recipe.name, errors })?;
    // Nobody follows the single steps: they take milliseconds here.
    let (events, _) = events();
    let cancel = Cancel::never();
    let failed = |source| DemoError::Execute { spec: recipe.name, source };
    let mut outcome = execute(&plan, &clients, &events, &cancel).await;
    if let Some((_, error)) = outcome.failed.pop() {
        return Err(failed(error));
    }
    tell(Milestone::Applied { spec: recipe.name, steps: plan.steps.len() });
    tell(Milestone::Proxy { deployed });
    let name = plan.load_balancer.clone();
    let in_service = match plan.load_balancer_type {
        LoadBalancerType::Classic => {
            wait_in_service(&clients, &name, &plan.targets, HEALTHY_WITHIN, &events, &cancel).await
        }
        LoadBalancerType::Application | LoadBalancerType::Network => {
            wait_healthy(&clients, &name, &plan.target_groups, HEALTHY_WITHIN, &events, &cancel).await
        }
    };
    in_service.map_err(failed)?;
    tell(Milestone::InService);
    Ok(name)
}

/// Waits until the load balancer's listener is open: it follows the account, it is not part of it.
async fn await_listener(port: u16) -> Result<(), DemoError> {
    let open = async {
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LISTENING_WITHIN, open).await.map_err(|_| DemoError::NotListening { port })
}

async fn probe(place: &Place, ca: &Path, tell: &mut dyn FnMut(Milestone<'_>)) -> Result<Report, DemoError> {
    let url = format!("wss://{}/ws/?room=probe&name=probe", place.https_authority());
    let options = probe::Options {
        target: url.parse::<Target>()?,
        resolve: None,
        trust: Trust::File(ca.to_owned()),
        hold: None,
        from_http: Some(place.http),
        echo: None,
    };
    Ok(probe::probe(&options, |step| tell(Milestone::Probed(step))).await?)
}

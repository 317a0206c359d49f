//! The SDK's clients: where they call, as whom, how often they try again. Each is built when it is first used;
//! they share one HTTP client, so one pool of connections.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_config::environment::credentials::EnvironmentVariableCredentialsProvider;
use aws_config::environment::region::EnvironmentVariableRegionProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::{AppName, BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_smithy_http_client::Builder as HttpBuilder;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

use super::calls::{CallCount, CallCounter};
use super::retry::Pace;

/// Where `elbws local` listens unless told otherwise.
const LOCAL_ENDPOINT: &str = "http://127.0.0.1:4566";
/// The local AWS's region where none is set.
const LOCAL_REGION: &str = "us-east-1";
/// How often a call is sent: throttling can last for minutes, and a pause is at most 20 s.
const ATTEMPTS: u32 = 10;
/// The same on this machine, where a server that is just starting is worth three seconds and no more.
const LOCAL_ATTEMPTS: u32 = 6;
/// How many [`Clients`] the process has made.
static CLIENTS: AtomicUsize = AtomicUsize::new(0);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const ATTEMPT_TIMEOUT: Duration = Duration::from_mins(1);

/// Where to call and as whom; what is not set is found as every AWS tool finds it.
#[derive(Debug, Clone, Default)]
pub struct ClientOptions {
    /// The profile in AWS's configuration files.
    pub profile: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// The URL that answers for every service.
    pub endpoint_url: Option<String>,
    /// Whether to call the local AWS, as its test user: at `endpoint_url`, else where `AWS_ENDPOINT_URL` has it on this
    /// machine, else at its usual address.
    pub local: bool,
}

/// Why there are no clients.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// No region is set anywhere.
    #[error("no AWS region is set")]
    NoRegion,
}

impl SetupError {
    /// Says what the user can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoRegion => "set `region` in the spec, --region, AWS_REGION, or the profile's region",
        }
    }
}

/// Clients for the services that a stack is made of.
#[derive(Debug, Clone)]
pub struct Clients(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: SdkConfig,
    region: String,
    pace: Pace,
    calls: CallCounter,
    /// Whether an endpoint of the user's answers for every service.
    own_endpoint: bool,
    /// Tells the clients of one process apart.
    number: usize,
    elb: OnceLock<aws_sdk_elasticloadbalancing::Client>,
    ec2: OnceLock<aws_sdk_ec2::Client>,
    acm: OnceLock<aws_sdk_acm::Client>,
    iam: OnceLock<aws_sdk_iam::Client>,
    elbv2: OnceLock<aws_sdk_elasticloadbalancingv2::Client>,
    route53: OnceLock<aws_sdk_route53::Client>,
    s3: OnceLock<aws_sdk_s3::Client>,
    ssm: OnceLock<aws_sdk_ssm::Client>,
    autoscaling: OnceLock<aws_sdk_autoscaling::Client>,
}

impl Clients {
    /// Finds out the region and where credentials come from; calls nothing but, on EC2 without a region set,
    /// the instance's metadata.
    pub async fn new(options: ClientOptions) -> Result<Self, SetupError> {
        let endpoint = endpoint(&options);
        let own_endpoint = endpoint.is_some();
        let on_loopback = options.is_local();
        let pace = if on_loopback { Pace::LOCAL } else { Pace::AWS };
        // AWS has a budget of calls that adaptive retries keep to once it was met: one throttle slows the
        // next calls for some ten seconds. An AWS on this machine has none to keep to.
        let retries = if on_loopback {
            RetryConfig::standard().with_max_attempts(LOCAL_ATTEMPTS)
        } else {
            RetryConfig::adaptive().with_max_attempts(ATTEMPTS)
        };
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .retry_config(retries.with_initial_backoff(pace.first))
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(CONNECT_TIMEOUT)
                    .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                    .build(),
            );
        if let Ok(name) = AppName::new("elbws") {
            loader = loader.app_name(name);
        }
        let http = match &endpoint {
            // Without TLS no roots of trust need be read.
            Some(url) if url.starts_with("http://") => HttpBuilder::new().build_http(),
            _ => HttpBuilder::new().tls_provider(tls::Provider::Rustls(CryptoMode::Ring)).build_https(),
        };
        loader = loader.http_client(http.clone());
        if let Some(profile) = &options.profile {
            loader = loader.profile_name(profile);
        }
        loader = if on_loopback {
            without_metadata_service(loader, &options, http)
        } else if let Some(region) = &options.region {
            loader.region(Region::new(region.clone()))
        } else {
            loader
        };
        // The SDK reads AWS_ENDPOINT_URL and its likes for each service itself.
        if let Some(url) = endpoint.filter(|_| options.endpoint_url.is_some() || options.local) {
            loader = loader.endpoint_url(url);
        }
        let config = loader.load().await;
        let region = config.region().ok_or(SetupError::NoRegion)?.to_string();
        Ok(Self(Arc::new(Inner {
            config,
            region,
            pace,
            calls: CallCounter::default(),
            number: CLIENTS.fetch_add(1, Ordering::Relaxed),
            elb: OnceLock::new(),
            ec2: OnceLock::new(),
            acm: OnceLock::new(),
            iam: OnceLock::new(),
            elbv2: OnceLock::new(),
            route53: OnceLock::new(),
            s3: OnceLock::new(),
            ssm: OnceLock::new(),
            own_endpoint,
            autoscaling: OnceLock::new(),
        })))
    }

    /// Returns the region that is called.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.0.region
    }

    /// Returns the requests sent so far, retries included, sorted by service and operation.
    #[must_use]
    pub fn calls(&self) -> Vec<CallCount> {
        self.0.calls.counts()
    }

    pub(crate) fn pace(&self) -> Pace {
        self.0.pace
    }

    /// Names what the SDK keeps its rate limit for, which is otherwise shared by all clients of a service and
    /// region, whomever they call as and at which endpoint.
    fn partition(&self, service: &str) -> String {
        format!("elbws-{}-{service}", self.0.number)
    }

    pub(super) fn elb(&self) -> &aws_sdk_elasticloadbalancing::Client {
        self.0.elb.get_or_init(|| {
            let config = aws_sdk_elasticloadbalancing::config::Builder::from(&self.0.config)
                .retry_partition(aws_sdk_elasticloadbalancing::config::retry::RetryPartition::new(
                    self.partition("elb"),
                ))
                .interceptor(self.0.calls.clone());
            aws_sdk_elasticloadbalancing::Client::from_conf(config.build())
        })
    }

    pub(super) fn ec2(&self) -> &aws_sdk_ec2::Client {
        self.0.ec2.get_or_init(|| {
            let config = aws_sdk_ec2::config::Builder::from(&self.0.config)
                .retry_partition(aws_sdk_ec2::config::retry::RetryPartition::new(self.partition("ec2")))
                .interceptor(self.0.calls.clone());
            aws_sdk_ec2::Client::from_conf(config.build())
        })
    }

    pub(super) fn acm(&self) -> &aws_sdk_acm::Client {
        self.0.acm.get_or_init(|| {
            let config = aws_sdk_acm::config::Builder::from(&self.0.config)
                .retry_partition(aws_sdk_acm::config::retry::RetryPartition::new(self.partition("acm")))
                .interceptor(self.0.calls.clone());
            aws_sdk_acm::Client::from_conf(config.build())
        })
    }

    pub(super) fn iam(&self) -> &aws_sdk_iam::Client {
        self.0.iam.get_or_init(|| {
            let config = aws_sdk_iam::config::Builder::from(&self.0.config)
                .retry_partition(aws_sdk_iam::config::retry::RetryPartition::new(self.partition("iam")))
                .interceptor(self.0.calls.clone());
            aws_sdk_iam::Client::from_conf(config.build())
        })
    }

    pub(super) fn elbv2(&self) -> &aws_sdk_elasticloadbalancingv2::Client {
        self.0.elbv2.get_or_init(|| {
            let config = aws_sdk_elasticloadbalancingv2::config::Builder::from(&self.0.config)
                .retry_partition(aws_sdk_elasticloadbalancingv2::config::retry::RetryPartition::new(
                    self.partition("elbv2"),
                ))
                .interceptor(self.0.calls.clone());
            aws_sdk_elasticloadbalancingv2::Client::from_conf(config.build())
        })
    }

    pub(super) fn autoscaling(&self) -> &aws_sdk_autoscaling::Client {
        self.0.autoscaling.get_or_init(|| {
            let config = aws_sdk_autoscaling::config::Builder::from(&self.0.config)
                .retry_partition(aws_sdk_autoscaling::config::retry::RetryPartition::new(
                    self.partition("autoscaling"),
                ))
                .interceptor(self.0.calls.clone());
            aws_sdk_autoscaling::Client::from_conf(config.build())
        })
    }

    pub(super) fn route53(&self) -> &aws_sdk_route53::Client {
        self.0.route53.get_or_init(|| {
            let config = aws_sdk_route53::config::Builder::from(&self.0.config)
                .retry_partition(aws_sdk_route53::config::retry::RetryPartition::new(
                    self.partition("route53"),
                ))
                .interceptor(self.0.calls.clone());
            aws_sdk_route53::Client::from_conf(config.build())
        })
    }

    pub(super) fn s3(&self) -> &aws_sdk_s3::Client {
        self.0.s3.get_or_init(|| {
            let config = aws_sdk_s3::config::Builder::from(&self.0.config)
                // A bucket is a host name below the endpoint only where that is AWS's.
                .force_path_style(self.0.own_endpoint)
                .retry_partition(aws_sdk_s3::config::retry::RetryPartition::new(self.partition("s3")))
                .interceptor(self.0.calls.clone());
            aws_sdk_s3::Client::from_conf(config.build())
        })
    }

    pub(super) fn ssm(&self) -> &aws_sdk_ssm::Client {
        self.0.ssm.get_or_init(|| {
            let config = aws_sdk_ssm::config::Builder::from(&self.0.config)
                .retry_partition(aws_sdk_ssm::config::retry::RetryPartition::new(self.partition("ssm")))
                .interceptor(self.0.calls.clone());
            aws_sdk_ssm::Client::from_conf(config.build())
        })
    }
}

impl ClientOptions {
    /// Says whether the AWS that is called is one on this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        endpoint(self).as_deref().is_some_and(is_loopback)
    }
}

/// Returns the endpoint that is set for all services, if one is.
fn endpoint(options: &ClientOptions) -> Option<String> {
    let of_environment = || std::env::var("AWS_ENDPOINT_URL").ok().filter(|url| !url.is_empty());
    match (&options.endpoint_url, options.local) {
        (Some(url), _) => Some(url.clone()),
        // Whatever the environment says of other machines: this one is meant.
        (None, true) => {
            let local = of_environment().filter(|url| is_loopback(url));
            Some(local.unwrap_or_else(|| LOCAL_ENDPOINT.to_owned()))
        }
        (None, false) => of_environment(),
    }
}

fn is_loopback(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else { return false };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Takes region and credentials from the environment and the profiles alone: who calls an endpoint on this
/// machine is not helped by an EC2 instance's metadata, and asking for it where there is none takes seconds.
fn without_metadata_service(
    loader: ConfigLoader,
    options: &ClientOptions,
    http: SharedHttpClient,
) -> ConfigLoader {
    let mut region = ProfileFileRegionProvider::builder();
    // There is no default HTTP client to fall back on: the provider panics without one.
    let provider = ProviderConfig::default().with_http_client(http);
    let mut profile = ProfileFileCredentialsProvider::builder().configure(&provider);
    if let Some(name) = &options.profile {
        region = region.profile_name(name);
        profile = profile.profile_name(name);
    }
    let region = RegionProviderChain::first_try(options.region.clone().map(Region::new))
        .or_else(EnvironmentVariableRegionProvider::new())
        .or_else(region.build());
    if options.local {
        loader
            .region(region.or_else(Region::from_static(LOCAL_REGION)))
            .credentials_provider(Credentials::from_keys("local", "local", None))
    } else {
        loader.region(region).credentials_provider(
            CredentialsProviderChain::first_try("Environment", EnvironmentVariableCredentialsProvider::new())
                .or_else("Profile", profile.build()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_endpoints_are_told_from_others() {
        for (url, expected) in [
            ("http://127.0.0.1:4566", true),
            ("http://localhost:5000/", true),
            ("http://[::1]:4566", true),
            ("http://aws.localhost", true),
            ("https://elasticloadbalancing.us-east-1.amazonaws.com", false),
            ("http://10.0.0.1:4566", false),
            ("127.0.0.1:4566", false),
        ] {
            assert_eq!(is_loopback(url), expected, "{url}");
        }
    }

    #[tokio::test]
    async fn the_given_region_wins_and_local_needs_nothing_else() {
        let options =
            ClientOptions { region: Some("eu-west-1".to_owned()), local: true, ..ClientOptions::default() };
        let clients = Clients::new(options).await.unwrap();
        assert_eq!(clients.region(), "eu-west-1");
        assert_eq!(clients.calls(), []);
        assert_eq!(clients.pace(), Pace::LOCAL);
    }

    #[tokio::test]
    async fn clients_for_any_endpoint_are_made_without_a_default_http_client() {
        for endpoint_url in [None, Some("http://127.0.0.1:1"), Some("https://localhost:1")] {
            let options = ClientOptions {
                region: Some("eu-west-1".to_owned()),
                endpoint_url: endpoint_url.map(str::to_owned),
                ..ClientOptions::default()
            };
            let clients = Clients::new(options).await.unwrap();
            let _made = (clients.elb(), clients.ec2(), clients.acm(), clients.iam());
            let _made = (clients.elbv2(), clients.route53(), clients.autoscaling());
        }
    }
}

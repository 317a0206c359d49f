//! What cannot be deployed is said before anything is sent.

use std::ops::RangeInclusive;

use crate::programs::{elbws_alone, of_no_architecture, of_other_architecture, proxy};
use crate::world::{SPEC, World, said};

/// Nothing was uploaded, installed or changed: the instances were asked what they have, or that was not even waited for.
async fn nothing_was_sent(world: &World, asked: RangeInclusive<usize>) {
    let ssm = world.calls("ssm").await;
    assert!(asked.contains(&ssm.iter().filter(|call| *call == "SendCommand").count()), "{ssm:?}");
    for (service, reads) in [("s3", "Head"), ("elb", "Describe"), ("ec2", "Describe")] {
        let calls = world.calls(service).await;
        assert_eq!(calls.iter().find(|call| !call.starts_with(reads)), None, "{service}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_systems_manager_does_not_know_is_named_with_what_it_lacks() {
    let Some(world) = World::start().await else { return };
    let _serving = world.launch_serving(1).await;
    let spec = world.spec("chat", SPEC);
    let spec = spec.to_str().unwrap();
    let program = proxy(world.directory());
    let with = ["--yes", "--proxy-binary", program.to_str().unwrap()];
    world.done(&[&["apply", spec], &with[1..]].concat()).await;
    let unknown = world.launch_unmanaged(2).await;
    for verb in ["apply", "deploy"] {
        world.forget_calls().await;
        let said = world.fails(&[&[verb, spec], &with[..]].concat(), 1).await;
        let told = format!(
            "error: proxy.deploy: SSM cannot reach {}: it has no instance profile\n  hint: attach an instance profile \
             whose role has the policy AmazonSSMManagedInstanceCore: `aws ec2 associate-iam-instance-profile`; its \
             agent registers within minutes\n",
            unknown.id
        );
        assert!(said.replace("\n    ", " ").contains(&told), "{verb}: {said}");
        nothing_was_sent(&world, 1..=1).await;
    }

    // With a profile it is reached.
    let form = format!(
        "Action=AssociateIamInstanceProfile&InstanceId={}&IamInstanceProfile.Name=ws-chat",
        unknown.id
    );
    world.client.ec2(crate::account::REGION, &form).await.unwrap();
    let _application = world.serve(&unknown).await;
    let events = world.done(&[&["apply", spec], &with[1..]].concat()).await;
    assert_eq!(events.installs(), [(unknown.id.clone(), true), (unknown.id.clone(), false)], "{events:?}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_for_another_machine_is_refused_before_anything_is_sent() {
    let Some(world) = World::start().await else { return };
    let serving = world.launch_serving(1).await;
    let spec = world.spec("chat", SPEC);
    let spec = spec.to_str().unwrap();
    let good = proxy(world.directory());

    // Nothing is even asked for.
    world.forget_calls().await;
    let no_machine = of_no_architecture(world.directory());
    let script = world.directory().join("script");
    std::fs::write(&script, "#!/bin/sh\nexit 0\n").unwrap();
    for (program, reason) in [
        (&no_machine, "it is made for a machine that is neither x86_64 nor aarch64 (ELF machine 243)"),
        (&script, "it is a script, not a program"),
    ] {
        let program = program.to_str().unwrap();
        let said = world.fails(&["deploy", spec, "--yes", "--proxy-binary", program], 64).await;
        let told = format!("error: {program} is no elbws-proxy for the instances: {reason}\n");
        assert!(said.starts_with(&told), "{said}");
        assert!(said.contains("hint: --proxy-binary takes an elbws-proxy for Linux"), "{said}");
    }
    assert_eq!(world.calls("ec2").await, Vec::<String>::new());

    // For instances, only not for these.
    let other = of_other_architecture(world.directory());
    let (_directory, elbws) = elbws_alone();
    let deploy = ["deploy", spec, "--yes", "--proxy-binary", other.to_str().unwrap()];
    world.done(&["apply", spec, "--proxy-binary", good.to_str().unwrap()]).await;
    world.forget_calls().await;
    let text = said(&world.run_program(&elbws, &deploy).await, 1);
    let (own, others) =
        if cfg!(target_arch = "aarch64") { ("aarch64", "x86_64") } else { ("x86_64", "aarch64") };
    let told = format!(
        "error: proxy.deploy: there is no elbws-proxy for {own}, which {} needs; {} is for {others}\n",
        serving[0].0.id,
        other.display()
    );
    assert!(text.replace("\n    ", " ").contains(&told), "{text}");
    assert!(text.contains("--proxy-binary"), "{text}");
    nothing_was_sent(&world, 1..=1).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_is_not_there_is_named_before_anything_is_sent() {
    let Some(world) = World::start().await else { return };
    let _serving = world.launch_serving(1).await;
    let spec = world.spec("chat", &SPEC.replace("bucket: artifacts", "bucket: artefacts"));
    let program = proxy(world.directory());
    for verb in ["apply", "deploy"] {
        world.forget_calls().await;
        let arguments = [verb, spec.to_str().unwrap(), "--yes", "--proxy-binary", program.to_str().unwrap()];
        let said = world.fails(&arguments, 1).await.replace("\n    ", " ");
        assert!(
            said.contains("error: S3 refused HeadBucket: there is no bucket artefacts (NoSuchBucket"),
            "{verb}: {said}"
        );
        let hint = "hint: create it with `aws s3 mb`, or name another in proxy.deploy.bucket\n";
        assert!(said.contains(hint), "{verb}: {said}");
        nothing_was_sent(&world, 0..=1).await;
    }
    world.stop().await;
}

"""Run Command on instances that run: what scripts do, print and end with."""

import sys
import time

import harness
from harness import admin, client, equal, get, refused

IMAGE = "ami-0123456789abcdef0"
DOCUMENT = "AWS-RunShellScript"
ssm, ec2 = client("ssm"), client("ec2")
# The machine may be busy: nothing here waits for longer than it takes, but this is when it gives up.
LONGEST = 120


def launch(count=1, profile="web", **tags):
    given = {"ImageId": IMAGE, "MinCount": count, "MaxCount": count}
    if profile:
        given["IamInstanceProfile"] = {"Name": profile}
    if tags:
        given["TagSpecifications"] = [
            {"ResourceType": "instance", "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
        ]
    return [one["InstanceId"] for one in ec2.run_instances(**given)["Instances"]]


def send(commands, *ids, **arguments):
    parameters = {"commands": commands if isinstance(commands, list) else [commands], **arguments.pop("parameters", {})}
    given = {"DocumentName": DOCUMENT, "Parameters": parameters, **arguments}
    if ids:
        given["InstanceIds"] = list(ids)
    return ssm.send_command(**given)["Command"]


def invocation(command, instance):
    return ssm.get_command_invocation(CommandId=command["CommandId"], InstanceId=instance)


def until(command, instance, *statuses):
    """Waits until a command has come so far on an instance."""
    start = time.monotonic()
    while True:
        found = invocation(command, instance)
        if found["Status"] in statuses:
            return found
        assert time.monotonic() - start < LONGEST, found
        assert found["Status"] in ("Pending", "InProgress", "Cancelling"), found
        time.sleep(0.05)


def ended(command, instance):
    return until(command, instance, "Success", "Failed", "TimedOut", "Cancelled")


def ran(commands, instance, **arguments):
    return ended(send(commands, instance, **arguments), instance)


def test_an_instance_with_a_profile_is_managed_while_it_is_there():
    [one, other] = launch(2, App="chat")
    [bare] = launch(profile=None)
    listed = {found["InstanceId"]: found for found in ssm.describe_instance_information()["InstanceInformationList"]}
    equal(sorted(listed), sorted([one, other]))
    equal({(found["PingStatus"], found["PlatformType"], found["ResourceType"]) for found in listed.values()},
          {("Online", "Linux", "EC2Instance")})
    refused("InvalidInstanceId", send, commands="true", InstanceIds=[bare])
    def named(**filters):
        wanted = [{"Key": key.replace("_", ":"), "Values": [value]} for key, value in filters.items()]
        return sorted(found["InstanceId"] for found in ssm.describe_instance_information(Filters=wanted)["InstanceInformationList"])
    equal(named(InstanceIds=one), [one])
    equal(named(tag_App="chat"), sorted([one, other]))
    ec2.stop_instances(InstanceIds=[one])
    equal((named(PingStatus="ConnectionLost"), named(PingStatus="Online")), ([one], [other]))
    refused("InvalidInstanceId", send, commands="true", InstanceIds=[one])
    ec2.terminate_instances(InstanceIds=[one])
    equal(named(), [other])
    ec2.associate_iam_instance_profile(InstanceId=bare, IamInstanceProfile={"Name": "web"})
    equal(named(), sorted([bare, other]))
    launch(5)
    pages = list(ssm.get_paginator("describe_instance_information").paginate(PaginationConfig={"PageSize": 5}))
    equal([len(page["InstanceInformationList"]) for page in pages], [5, 2])


def test_a_script_runs_as_it_would_there():
    [one] = launch(Name="web-1")
    command = send(["echo out", "echo err >&2", "pwd"], one, Comment="hello", parameters={"workingDirectory": ["/tmp"]})
    equal((command["TargetCount"], command["InstanceIds"], command["Comment"]), (1, [one], "hello"))
    ssm.get_waiter("command_executed").wait(
        CommandId=command["CommandId"], InstanceId=one, WaiterConfig={"Delay": 1, "MaxAttempts": LONGEST}
    )
    found = invocation(command, one)
    equal((found["Status"], found["StatusDetails"], found["ResponseCode"]), ("Success", "Success", 0))
    equal((found["StandardOutputContent"], found["StandardErrorContent"]), ("out\n/tmp\n", "err\n"))
    equal((found["PluginName"], found["Comment"]), ("aws:runShellScript", "hello"))
    assert found["ExecutionElapsedTime"].startswith("PT"), found
    [listed] = ssm.list_command_invocations(CommandId=command["CommandId"], Details=True)["CommandInvocations"]
    equal((listed["InstanceName"], listed["Status"]), ("web-1", "Success"))
    [plugin] = listed["CommandPlugins"]
    equal((plugin["Output"], plugin["ResponseCode"]), ("out\n/tmp\n\n----------ERROR-------\nerr\n", 0))
    [whole] = ssm.list_commands(CommandId=command["CommandId"])["Commands"]
    equal((whole["Status"], whole["CompletedCount"], whole["ErrorCount"]), ("Success", 1, 0))
    refused("InvocationDoesNotExist", ssm.get_command_invocation, CommandId=command["CommandId"], InstanceId="i-12345678")


def test_a_script_that_fails_says_how():
    [one] = launch()
    failed = ran(["echo before", "exit 7"], one)
    equal((failed["Status"], failed["StatusDetails"], failed["ResponseCode"]), ("Failed", "Failed", 7))
    equal((failed["StandardOutputContent"], failed["StandardErrorContent"]), ("before\n", "failed to run commands: exit status 7"))
    late = ran("sleep 600", one, parameters={"executionTimeout": ["1"]})
    equal((late["Status"], late["StatusDetails"]), ("TimedOut", "ExecutionTimedOut"))


def test_long_output_is_cut():
    [one] = launch()
    found = ran("i=0; while [ $i -lt 3000 ]; do echo 0123456789; echo abcdefghij >&2; i=$((i+1)); done", one)
    output, errors = found["StandardOutputContent"], found["StandardErrorContent"]
    equal((len(output), len(errors)), (24_000, 8_000))
    assert output.endswith("\n---Output truncated---"), output[-40:]
    assert errors.endswith("\n---Error truncated----"), errors[-40:]


def test_five_commands_run_at_once_and_the_sixth_waits():
    [one, other] = launch(2)
    gate = "while [ ! -e /tmp/open ]; do sleep 0.05; done"
    # Whoever waits for the file waits for good: what would make it stands behind.
    first, *others = [send(gate, one) for _ in range(5)]
    last = send("touch /tmp/open; echo last", one)
    for command in [first, *others]:
        until(command, one, "InProgress")
    equal(ran("echo elsewhere", other)["StandardOutputContent"], "elsewhere\n")
    equal((invocation(first, one)["Status"], invocation(last, one)["Status"]), ("InProgress", "Pending"))
    ssm.cancel_command(CommandId=first["CommandId"])
    cancelled = ended(first, one)
    equal((cancelled["Status"], cancelled["StatusDetails"]), ("Cancelled", "Cancelled"))
    equal(ended(last, one)["StandardOutputContent"], "last\n")
    equal({ended(command, one)["Status"] for command in others}, {"Success"})


def test_what_waits_is_cancelled_at_once_or_given_up_in_time():
    [one] = launch()
    blocking = [send("sleep 600", one) for _ in range(5)]
    for command in blocking:
        until(command, one, "InProgress")
    waiting = send("true", one)
    ssm.cancel_command(CommandId=waiting["CommandId"], InstanceIds=[one])
    equal(invocation(waiting, one)["Status"], "Cancelled")
    late = send("true", one, TimeoutSeconds=30)
    admin("/_elbws/clock", b'{"advance_ms":31000}')
    found = ended(late, one)
    equal((found["Status"], found["StatusDetails"]), ("TimedOut", "DeliveryTimedOut"))
    equal({invocation(command, one)["Status"] for command in blocking}, {"InProgress"})


def test_an_instance_that_goes_takes_its_commands_along():
    [one, other] = launch(2)
    commands = {instance: send("sleep 600", instance) for instance in (one, other)}
    for instance, command in commands.items():
        until(command, instance, "InProgress")
    ec2.stop_instances(InstanceIds=[one])
    ec2.terminate_instances(InstanceIds=[other])
    for instance, command in commands.items():
        found = ended(command, instance)
        equal((found["Status"], found["StatusDetails"]), ("Failed", "Undeliverable"))
    ec2.start_instances(InstanceIds=[one])
    equal(ran("echo again", one)["StandardOutputContent"], "again\n")


def test_targets_take_turns_and_stop_after_too_many_errors():
    ids = launch(3, App="chat")
    targets = [{"Key": "tag:App", "Values": ["chat", "other"]}]
    command = send("echo $AWS_SSM_INSTANCE_ID", Targets=targets, MaxConcurrency="1", MaxErrors="50%")
    equal((command["TargetCount"], command["MaxErrors"]), (3, "50%"))
    for instance in ids:
        equal(ended(command, instance)["StandardOutputContent"], instance + "\n")
    failing = send("exit 1", Targets=targets, MaxConcurrency="1", MaxErrors="0")
    details = sorted(ended(failing, instance)["StatusDetails"] for instance in ids)
    equal(details, ["Failed", "Terminated", "Terminated"])
    [whole] = ssm.list_commands(CommandId=failing["CommandId"])["Commands"]
    equal((whole["ErrorCount"], whole["CompletedCount"]), (1, 3))


def test_a_reset_ends_everything():
    [one] = launch()
    until(send("sleep 600", one), one, "InProgress")
    admin("/_elbws/reset", b"")
    equal(ssm.list_commands()["Commands"], [])
    [one] = launch()
    equal(ran("echo new", one)["StandardOutputContent"], "new\n")


def test_an_invocation_is_there_only_after_the_delay_that_is_set():
    [one] = launch()
    admin("/_elbws/clock", b'{"fixed":"2026-02-03T04:05:06Z"}')
    admin("/_elbws/settings", b'{"command_visibility_delay_ms":5000}')
    command = send("true", one)
    refused("InvocationDoesNotExist", ssm.get_command_invocation, CommandId=command["CommandId"], InstanceId=one)
    equal(ssm.list_command_invocations(CommandId=command["CommandId"])["CommandInvocations"], [])
    admin("/_elbws/clock", b'{"advance_ms":5000}')
    equal(ended(command, one)["Status"], "Success")


harness.run(sys.modules[__name__])

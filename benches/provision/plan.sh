#!/usr/bin/env bash
# The reads of `elbws plan specs/classic.yaml` on a stack that exists, by the AWS CLI. It compares nothing.
set -euo pipefail
name=ws-chat
{
    vpc=$(aws ec2 describe-vpcs --filters Name=is-default,Values=true --query 'Vpcs[0].VpcId' --output text)
    aws ec2 describe-subnets --filters "Name=vpc-id,Values=$vpc"
    aws ec2 describe-instances --filters Name=tag:App,Values=ws-chat Name=instance-state-name,Values=running
    aws ec2 describe-security-groups --filters "Name=group-name,Values=elbws-$name"
    aws ec2 describe-security-group-rules
    aws acm list-certificates --certificate-statuses ISSUED
    aws elb describe-load-balancers --load-balancer-names "$name"
    aws elb describe-load-balancer-attributes --load-balancer-name "$name"
    aws elb describe-load-balancer-policies --load-balancer-name "$name"
    aws elb describe-tags --load-balancer-names "$name"
} >/dev/null

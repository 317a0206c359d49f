#!/usr/bin/env bash
# The blog post's load balancer by the AWS CLI: what `elbws apply specs/classic.yaml` makes, call by call.
set -euo pipefail
name=ws-chat
vpc=$(aws ec2 describe-vpcs --filters Name=is-default,Values=true --query 'Vpcs[0].VpcId' --output text)
subnets=$(aws ec2 describe-subnets --filters "Name=vpc-id,Values=$vpc" --query 'Subnets[].SubnetId' --output text)
instances=$(aws ec2 describe-instances --filters Name=tag:App,Values=ws-chat Name=instance-state-name,Values=running \
    --query 'Reservations[].Instances[].InstanceId' --output text)
app_group=$(aws ec2 describe-instances --instance-ids $instances \
    --query 'Reservations[0].Instances[0].SecurityGroups[0].GroupId' --output text)
certificate=$(aws acm list-certificates --certificate-statuses ISSUED \
    --query "CertificateSummaryList[?DomainName=='chat.example.com'].CertificateArn | [0]" --output text)
group=$(aws ec2 create-security-group --group-name "elbws-$name" --description 'load balancer' --vpc-id "$vpc" \
    --tag-specifications 'ResourceType=security-group,Tags=[{Key=Team,Value=realtime}]' --query GroupId --output text)
aws ec2 authorize-security-group-ingress --group-id "$group" \
    --ip-permissions IpProtocol=tcp,FromPort=80,ToPort=80,IpRanges='[{CidrIp=0.0.0.0/0}]' \
    IpProtocol=tcp,FromPort=443,ToPort=443,IpRanges='[{CidrIp=0.0.0.0/0}]' >/dev/null
aws ec2 authorize-security-group-ingress --group-id "$app_group" \
    --ip-permissions "IpProtocol=tcp,FromPort=80,ToPort=80,UserIdGroupPairs=[{GroupId=$group}]" \
    "IpProtocol=tcp,FromPort=8081,ToPort=8081,UserIdGroupPairs=[{GroupId=$group}]" >/dev/null
aws elb create-load-balancer --load-balancer-name "$name" --subnets $subnets --security-groups "$group" \
    --listeners Protocol=TCP,LoadBalancerPort=80,InstanceProtocol=TCP,InstancePort=80 \
    "Protocol=SSL,LoadBalancerPort=443,InstanceProtocol=TCP,InstancePort=80,SSLCertificateId=$certificate" \
    --tags Key=Team,Value=realtime >/dev/null
aws elb create-load-balancer-policy --load-balancer-name "$name" --policy-name "$name-ssl" \
    --policy-type-name SSLNegotiationPolicyType \
    --policy-attributes AttributeName=Reference-Security-Policy,AttributeValue=ELBSecurityPolicy-TLS-1-2-2017-01
aws elb set-load-balancer-policies-of-listener --load-balancer-name "$name" --load-balancer-port 443 \
    --policy-names "$name-ssl"
aws elb create-load-balancer-policy --load-balancer-name "$name" --policy-name "$name-proxy-protocol" \
    --policy-type-name ProxyProtocolPolicyType --policy-attributes AttributeName=ProxyProtocol,AttributeValue=True
aws elb set-load-balancer-policies-for-backend-server --load-balancer-name "$name" --instance-port 80 \
    --policy-names "$name-proxy-protocol"
aws elb modify-load-balancer-attributes --load-balancer-name "$name" --load-balancer-attributes \
    '{"CrossZoneLoadBalancing":{"Enabled":true},"ConnectionDraining":{"Enabled":true,"Timeout":300},"ConnectionSettings":{"IdleTimeout":3600}}' \
    >/dev/null
aws elb configure-health-check --load-balancer-name "$name" --health-check \
    Target=HTTP:8081/healthz,Interval=10,Timeout=5,UnhealthyThreshold=3,HealthyThreshold=2 >/dev/null
aws elb register-instances-with-load-balancer --load-balancer-name "$name" --instances $instances >/dev/null
aws elb describe-instance-health --load-balancer-name "$name" --query 'InstanceStates[].State' --output text >/dev/null

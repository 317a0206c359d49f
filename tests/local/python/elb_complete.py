"""Every operation of botocore's model of Classic ELB is served."""

import sys

import boto3
import harness
from botocore.config import Config
from botocore.exceptions import ClientError
from harness import equal

# These have no required members.
WITHOUT_PARAMETERS = {
    "DescribeAccountLimits",
    "DescribeLoadBalancerPolicies",
    "DescribeLoadBalancerPolicyTypes",
    "DescribeLoadBalancers",
}


def test_every_operation_of_the_model_is_served():
    elb = boto3.client("elb", region_name="us-east-1", config=Config(parameter_validation=False))
    operations = elb.meta.service_model.operation_names
    equal(len(operations), 29)
    for operation in operations:
        try:
            elb._make_api_call(operation, {})
            code = None
        except ClientError as error:
            code = error.response["Error"]["Code"]
            assert "failed to satisfy constraint: Member must not be null" in str(error), error
        equal((operation, code), (operation, None if operation in WITHOUT_PARAMETERS else "ValidationError"))


harness.run(sys.modules[__name__])

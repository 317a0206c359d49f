"""ACM, IAM's server certificates and STS."""

import datetime
import ipaddress
import ssl
import sys

import harness
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from harness import ACCOUNT, admin, cli, client, equal, refused

NOW = datetime.datetime.now(datetime.timezone.utc)
DAY = datetime.timedelta(days=1)


def name(common_name, organisation=None):
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organisation:
        parts.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation))
    return x509.Name(parts)


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def key_pem(key, form=serialization.PrivateFormat.PKCS8, password=None):
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, encryption).decode()


def sign(common_name, key, issuer=None, issuer_key=None, *, after=90 * DAY, before=-DAY, authority=False):
    subject = name(common_name, "Test CA" if authority else None)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + before)
        .not_valid_after(NOW + after)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if not authority:
        names = [x509.DNSName(common_name), x509.DNSName("www." + common_name)]
        names.append(x509.IPAddress(ipaddress.ip_address("192.0.2.1")))
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        builder = builder.add_extension(usage, critical=False)
    return builder.sign(issuer_key or key, hashes.SHA256())


RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
P256 = ec.generate_private_key(ec.SECP256R1())
ROOT_KEY, MIDDLE_KEY = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1())
ROOT = sign("root", ROOT_KEY, authority=True)
MIDDLE = sign("middle", MIDDLE_KEY, ROOT, ROOT_KEY, authority=True)
LEAF = sign("chat.example.com", RSA, MIDDLE, MIDDLE_KEY)
CHAIN = pem(MIDDLE) + pem(ROOT)


def import_rsa(acm, **arguments):
    return acm.import_certificate(
        Certificate=pem(LEAF), PrivateKey=key_pem(RSA), CertificateChain=CHAIN, **arguments
    )["CertificateArn"]


def test_an_import_is_read_back():
    acm = client("acm", "eu-west-1")
    arn = import_rsa(acm, Tags=[{"Key": "App", "Value": "chat"}, {"Key": "Bare"}])
    assert arn.startswith(f"arn:aws:acm:eu-west-1:{ACCOUNT}:certificate/"), arn
    found = acm.describe_certificate(CertificateArn=arn)["Certificate"]
    equal((found["DomainName"], found["Status"], found["Type"]), ("chat.example.com", "ISSUED", "IMPORTED"))
    equal(found["SubjectAlternativeNames"], ["chat.example.com", "www.chat.example.com"])
    equal((found["KeyAlgorithm"], found["SignatureAlgorithm"]), ("RSA-2048", "SHA256WITHECDSA"))
    equal(found["NotAfter"].replace(microsecond=0), (NOW + 90 * DAY).replace(microsecond=0))
    equal((found["Issuer"], found["Subject"]), ("Test CA", "CN=chat.example.com"))
    equal(int(found["Serial"].replace(":", ""), 16), LEAF.serial_number)
    equal((found["InUseBy"], found["RenewalEligibility"]), ([], "INELIGIBLE"))
    equal([usage["Name"] for usage in found["ExtendedKeyUsages"]], ["TLS_WEB_SERVER_AUTHENTICATION"])
    assert found["ImportedAt"] and "IssuedAt" not in found
    equal(acm.get_certificate(CertificateArn=arn)["Certificate"], pem(LEAF))
    equal(acm.get_certificate(CertificateArn=arn)["CertificateChain"], CHAIN)
    equal(acm.list_tags_for_certificate(CertificateArn=arn)["Tags"], [{"Key": "App", "Value": "chat"}, {"Key": "Bare", "Value": ""}])
    refused("ResourceNotFoundException", client("acm", "us-east-1").describe_certificate, CertificateArn=arn)


def test_keys_come_in_every_form():
    acm = client("acm")
    traditional = serialization.PrivateFormat.TraditionalOpenSSL
    for key, form in [(RSA, traditional), (P256, traditional), (P256, serialization.PrivateFormat.PKCS8)]:
        arn = acm.import_certificate(Certificate=pem(sign("a.example.com", key)), PrivateKey=key_pem(key, form))["CertificateArn"]
        assert "CertificateChain" not in acm.get_certificate(CertificateArn=arn)
    found = acm.describe_certificate(CertificateArn=arn)["Certificate"]
    equal((found["KeyAlgorithm"], found["SignatureAlgorithm"]), ("EC-prime256v1", "SHA256WITHECDSA"))


def test_what_does_not_belong_together_is_refused():
    acm = client("acm")
    def bad(message, certificate=pem(LEAF), key=key_pem(RSA), **arguments):
        refused("ValidationException", acm.import_certificate, message=message, Certificate=certificate, PrivateKey=key, **arguments)
    bad("do not match", key=key_pem(P256))
    bad("Unable to parse certificate", certificate="nonsense")
    bad("Unable to parse certificate", certificate=key_pem(RSA))
    bad("Unable to parse private key", key="nonsense")
    bad("Unable to parse private key", key=key_pem(RSA, password=b"secret"))
    bad("more than one certificate", certificate=pem(LEAF) + CHAIN)
    bad("The index within the chain of the invalid certificate is: 0", CertificateChain=pem(ROOT))
    bad("The index within the chain of the invalid certificate is: 1", CertificateChain=pem(MIDDLE) + pem(MIDDLE))
    bad("certificate chain", CertificateChain="nonsense")
    bad("expired", certificate=pem(sign("a.example.com", RSA, before=-9 * DAY, after=-DAY)))
    bad("not valid yet", certificate=pem(sign("a.example.com", RSA, before=DAY)))
    impostor_key = ec.generate_private_key(ec.SECP384R1())
    impostor = sign("middle", impostor_key, ROOT, ROOT_KEY, authority=True)
    bad("chain", CertificateChain=pem(impostor))
    equal(acm.list_certificates(Includes={"keyTypes": ["RSA_2048"]})["CertificateSummaryList"], [])


def test_an_import_over_another_keeps_its_arn():
    acm = client("acm")
    arn = import_rsa(acm, Tags=[{"Key": "App", "Value": "chat"}])
    before = acm.describe_certificate(CertificateArn=arn)["Certificate"]
    renewed = sign("chat.example.com", RSA, after=180 * DAY)
    again = acm.import_certificate(CertificateArn=arn, Certificate=pem(renewed), PrivateKey=key_pem(RSA))["CertificateArn"]
    equal(again, arn)
    after = acm.describe_certificate(CertificateArn=arn)["Certificate"]
    assert after["NotAfter"] > before["NotAfter"]
    equal(after["CreatedAt"], before["CreatedAt"])
    equal(acm.list_tags_for_certificate(CertificateArn=arn)["Tags"], [{"Key": "App", "Value": "chat"}])
    assert "CertificateChain" not in acm.get_certificate(CertificateArn=arn)
    refused("ValidationException", import_rsa, acm=acm, message="Tagging", CertificateArn=arn, Tags=[{"Key": "a"}])
    refused("ResourceNotFoundException", import_rsa, acm=acm, CertificateArn=arn[:-12] + "000000000000")
    requested = acm.request_certificate(DomainName="a.example.com", KeyAlgorithm="EC_prime256v1")["CertificateArn"]
    refused("ValidationException", import_rsa, acm=acm, message="not imported", CertificateArn=requested)


def test_a_request_is_issued_at_once():
    acm = client("acm")
    names = ["*.example.com", "example.com"]
    arn = acm.request_certificate(
        DomainName="*.example.com", SubjectAlternativeNames=["example.com", "EXAMPLE.com"], ValidationMethod="DNS",
        Tags=[{"Key": "a", "Value": "b"}],
    )["CertificateArn"]
    acm.get_waiter("certificate_validated").wait(CertificateArn=arn)
    found = acm.describe_certificate(CertificateArn=arn)["Certificate"]
    equal((found["Status"], found["Type"], found["KeyAlgorithm"]), ("ISSUED", "AMAZON_ISSUED", "RSA-2048"))
    equal((found["DomainName"], found["SubjectAlternativeNames"]), ("*.example.com", names))
    wildcard, apex = found["DomainValidationOptions"]
    equal((wildcard["ValidationStatus"], wildcard["ValidationMethod"]), ("SUCCESS", "DNS"))
    equal(wildcard["ResourceRecord"], apex["ResourceRecord"])
    equal(wildcard["ResourceRecord"]["Type"], "CNAME")
    assert wildcard["ResourceRecord"]["Name"].endswith(".example.com.")
    pair = acm.get_certificate(CertificateArn=arn)
    certificate = x509.load_pem_x509_certificate(pair["Certificate"].encode())
    authority = x509.load_pem_x509_certificate(pair["CertificateChain"].encode())
    certificate.verify_directly_issued_by(authority)
    equal(certificate.public_key().key_size, 2048)
    alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    equal(alternative.get_values_for_type(x509.DNSName), names)
    equal(int(found["NotAfter"].timestamp()), int(certificate.not_valid_after_utc.timestamp()))
    context = ssl.create_default_context(cadata=pair["CertificateChain"])
    equal(len(context.get_ca_certs()), 1)
    other = acm.request_certificate(DomainName="a.example.com", KeyAlgorithm="EC_secp384r1")["CertificateArn"]
    equal(acm.get_certificate(CertificateArn=other)["CertificateChain"], pair["CertificateChain"])
    equal(acm.describe_certificate(CertificateArn=other)["Certificate"]["KeyAlgorithm"], "EC-secp384r1")


def test_requests_are_checked_and_repeatable():
    acm = client("acm")
    fast = {"KeyAlgorithm": "EC_prime256v1"}
    for domain in ["example", "a.*.com", "-a.com", "x" * 64 + ".com"]:
        refused("ValidationException", acm.request_certificate, DomainName=domain)
    refused("ValidationException", acm.request_certificate, DomainName="a.com", SubjectAlternativeNames=["b"])
    refused("ValidationException", acm.request_certificate, DomainName="a.com", KeyAlgorithm="RSA_4096")
    refused("ValidationException", acm.request_certificate, DomainName="a.com", KeyAlgorithm="DSA")
    refused("ValidationException", acm.request_certificate, DomainName="a.com", IdempotencyToken="a-b")
    refused(
        "InvalidDomainValidationOptionsException", acm.request_certificate, DomainName="a.com",
        DomainValidationOptions=[{"DomainName": "a.com", "ValidationDomain": "b.com"}],
    )
    admin("/_elbws/clock", b'{"fixed":"2026-02-03T04:05:06Z"}')
    first = acm.request_certificate(DomainName="a.com", IdempotencyToken="t", **fast)["CertificateArn"]
    equal(acm.request_certificate(DomainName="a.com", IdempotencyToken="t", **fast)["CertificateArn"], first)
    assert acm.request_certificate(DomainName="b.com", IdempotencyToken="t", **fast)["CertificateArn"] != first
    assert acm.request_certificate(DomainName="a.com", **fast)["CertificateArn"] != first
    admin("/_elbws/clock", b'{"advance_ms":3601000}')
    assert acm.request_certificate(DomainName="a.com", IdempotencyToken="t", **fast)["CertificateArn"] != first


def test_lists_hold_two_kinds_of_keys_unless_others_are_asked_for():
    acm = client("acm")
    rsa_arn = import_rsa(acm)
    ec_arn = acm.request_certificate(DomainName="ec.example.com", KeyAlgorithm="EC_prime256v1")["CertificateArn"]
    def listed(**arguments):
        return sorted(one["CertificateArn"] for one in acm.list_certificates(**arguments)["CertificateSummaryList"])
    everything = {"Includes": {"keyTypes": ["RSA_2048", "EC_prime256v1"]}}
    equal(listed(), [rsa_arn])
    equal(listed(**everything), sorted([rsa_arn, ec_arn]))
    equal(listed(Includes={"keyTypes": ["EC_prime256v1"]}), [ec_arn])
    equal(listed(CertificateStatuses=["ISSUED"]), [rsa_arn])
    equal(listed(CertificateStatuses=["EXPIRED", "FAILED"]), [])
    equal(listed(CertificateKeyPairOrigins=["AWS_MANAGED"], **everything), [ec_arn])
    equal(listed(Includes={"keyTypes": ["EC_prime256v1"], "keyUsage": ["CRL_SIGNING"]}), [])
    equal(listed(Includes={"keyTypes": ["EC_prime256v1"], "keyUsage": ["DIGITAL_SIGNATURE"]}), [ec_arn])
    refused("ValidationException", acm.list_certificates, CertificateStatuses=["GONE"])
    refused("ValidationException", acm.list_certificates, Includes={"keyTypes": ["RSA-2048"]})
    [summary] = acm.list_certificates()["CertificateSummaryList"]
    equal((summary["DomainName"], summary["Status"], summary["KeyAlgorithm"]), ("chat.example.com", "ISSUED", "RSA-2048"))
    equal((summary["Type"], summary["InUse"], summary["HasAdditionalSubjectAlternativeNames"]), ("IMPORTED", False, False))
    admin("/_elbws/clock", b'{"advance_ms":' + str(400 * 86400 * 1000).encode() + b"}")
    equal(listed(CertificateStatuses=["EXPIRED"]), [rsa_arn])
    equal(acm.describe_certificate(CertificateArn=rsa_arn)["Certificate"]["Status"], "EXPIRED")


def test_lists_have_pages_and_an_order():
    acm = client("acm")
    admin("/_elbws/clock", b'{"fixed":"2026-02-03T04:05:06Z"}')
    made = []
    for number in range(5):
        admin("/_elbws/clock", b'{"advance_ms":1000}')
        made.append(acm.request_certificate(DomainName=f"n{number}.example.com", KeyAlgorithm="EC_prime256v1")["CertificateArn"])
    includes = {"keyTypes": ["EC_prime256v1"]}
    def pages(**arguments):
        found = acm.get_paginator("list_certificates").paginate(
            Includes=includes, PaginationConfig={"PageSize": 2}, **arguments
        )
        return [[one["CertificateArn"] for one in page["CertificateSummaryList"]] for page in found]
    def flat(lists):
        return [one for each in lists for one in each]
    equal(flat(pages(SortBy="CREATED_AT", SortOrder="ASCENDING")), made)
    equal(flat(pages(SortBy="CREATED_AT", SortOrder="DESCENDING")), made[::-1])
    equal([len(page) for page in pages()], [2, 2, 1])
    equal(sorted(flat(pages())), sorted(made))
    refused("ValidationException", acm.list_certificates, SortBy="CREATED_AT")
    refused("InvalidArgsException", acm.list_certificates, NextToken="nonsense")


def test_certificates_are_deleted_and_arns_checked():
    acm = client("acm")
    arn = import_rsa(acm)
    acm.delete_certificate(CertificateArn=arn)
    for call in [acm.delete_certificate, acm.describe_certificate, acm.get_certificate, acm.list_tags_for_certificate]:
        refused("ResourceNotFoundException", call, message=arn, CertificateArn=arn)
        refused("InvalidArnException", call, CertificateArn="arn:aws:iam::123456789012:server-certificate/x")


def test_tags_of_acm():
    acm = client("acm")
    arn = import_rsa(acm)
    acm.add_tags_to_certificate(CertificateArn=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    acm.add_tags_to_certificate(CertificateArn=arn, Tags=[{"Key": "a", "Value": "3"}])
    acm.remove_tags_from_certificate(CertificateArn=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b"}])
    equal(acm.list_tags_for_certificate(CertificateArn=arn)["Tags"], [{"Key": "a", "Value": "3"}])
    many = [{"Key": f"k{number}"} for number in range(50)]
    refused("TooManyTagsException", acm.add_tags_to_certificate, CertificateArn=arn, Tags=many)
    refused("InvalidTagException", acm.add_tags_to_certificate, CertificateArn=arn, Tags=[{"Key": "aws:a"}])
    refused("InvalidTagException", acm.add_tags_to_certificate, CertificateArn=arn, Tags=[{"Key": "a"}, {"Key": "a"}])
    refused("ValidationException", acm.add_tags_to_certificate, CertificateArn=arn, Tags=[{"Key": "a#"}])


def upload(iam, certificate_name="chat", **arguments):
    return iam.upload_server_certificate(
        ServerCertificateName=certificate_name, CertificateBody=pem(LEAF), PrivateKey=key_pem(RSA), **arguments
    )


def test_a_server_certificate_is_uploaded_and_read_back():
    iam = client("iam")
    answer = upload(iam, Path="/cloudfront/", CertificateChain=CHAIN, Tags=[{"Key": "a", "Value": "b"}])
    metadata = answer["ServerCertificateMetadata"]
    equal(metadata["Arn"], f"arn:aws:iam::{ACCOUNT}:server-certificate/cloudfront/chat")
    equal((metadata["Path"], metadata["ServerCertificateName"]), ("/cloudfront/", "chat"))
    assert metadata["ServerCertificateId"].startswith("ASCA") and len(metadata["ServerCertificateId"]) == 21
    equal(metadata["Expiration"], LEAF.not_valid_after_utc)
    equal(answer["Tags"], [{"Key": "a", "Value": "b"}])
    # IAM has no regions.
    found = client("iam", "eu-west-1").get_server_certificate(ServerCertificateName="chat")["ServerCertificate"]
    equal(found["ServerCertificateMetadata"], metadata)
    # Trailing line breaks are the XML parser's to keep or drop.
    equal(found["CertificateBody"].strip(), pem(LEAF).strip())
    equal(found["CertificateChain"].strip(), CHAIN.strip())
    equal(found["Tags"], [{"Key": "a", "Value": "b"}])
    equal(upload(iam, "plain")["ServerCertificateMetadata"]["Arn"], f"arn:aws:iam::{ACCOUNT}:server-certificate/plain")


def test_uploads_are_checked():
    iam = client("iam")
    def bad(code, certificate_name="x", body=pem(LEAF), key=key_pem(RSA), status=400, **arguments):
        refused(
            code, iam.upload_server_certificate, status=status, ServerCertificateName=certificate_name,
            CertificateBody=body, PrivateKey=key, **arguments,
        )
    bad("KeyPairMismatch", key=key_pem(P256))
    bad("MalformedCertificate", body="nonsense")
    bad("MalformedCertificate", key="nonsense")
    bad("MalformedCertificate", body=pem(LEAF) + CHAIN)
    bad("MalformedCertificate", CertificateChain=pem(ROOT))
    bad("ValidationError", certificate_name="a b")
    bad("ValidationError", Path="cloudfront")
    upload(iam)
    bad("EntityAlreadyExists", certificate_name="chat", status=409)
    for number in range(19):
        upload(iam, f"n{number}")
    bad("LimitExceeded", status=409)


def test_server_certificates_are_listed_by_path_and_page():
    iam = client("iam")
    for number in range(5):
        upload(iam, f"n{number}", Path="/a/" if number % 2 else "/b/")
    def names(**arguments):
        return [one["ServerCertificateName"] for one in iam.list_server_certificates(**arguments)["ServerCertificateMetadataList"]]
    equal(names(), ["n0", "n1", "n2", "n3", "n4"])
    equal(names(PathPrefix="/a/"), ["n1", "n3"])
    pages = iam.get_paginator("list_server_certificates").paginate(PaginationConfig={"PageSize": 2})
    equal([len(page["ServerCertificateMetadataList"]) for page in pages], [2, 2, 1])


def test_server_certificates_are_renamed_and_deleted():
    iam = client("iam")
    before = upload(iam)["ServerCertificateMetadata"]
    upload(iam, "other")
    refused("EntityAlreadyExists", iam.update_server_certificate, status=409, ServerCertificateName="chat", NewServerCertificateName="other")
    iam.update_server_certificate(ServerCertificateName="chat", NewServerCertificateName="new", NewPath="/p/")
    after = iam.get_server_certificate(ServerCertificateName="new")["ServerCertificate"]["ServerCertificateMetadata"]
    equal(after["ServerCertificateId"], before["ServerCertificateId"])
    equal(after["Arn"], f"arn:aws:iam::{ACCOUNT}:server-certificate/p/new")
    text = refused("NoSuchEntity", iam.get_server_certificate, status=404, ServerCertificateName="chat")
    equal(text, "The Server Certificate with name chat cannot be found.")
    iam.delete_server_certificate(ServerCertificateName="new")
    for call in [iam.delete_server_certificate, iam.list_server_certificate_tags]:
        refused("NoSuchEntity", call, status=404, ServerCertificateName="new")


def test_tags_of_iam():
    iam = client("iam")
    upload(iam)
    iam.tag_server_certificate(ServerCertificateName="chat", Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}])
    iam.untag_server_certificate(ServerCertificateName="chat", TagKeys=["a", "absent"])
    answer = iam.list_server_certificate_tags(ServerCertificateName="chat")
    equal((answer["Tags"], answer["IsTruncated"]), ([{"Key": "b", "Value": ""}], False))
    refused("InvalidInput", iam.tag_server_certificate, ServerCertificateName="chat", Tags=[{"Key": "aws:a", "Value": ""}])
    many = [{"Key": f"k{number}", "Value": ""} for number in range(50)]
    refused("LimitExceeded", iam.tag_server_certificate, status=409, ServerCertificateName="chat", Tags=many)
    pages = iam.get_paginator("list_server_certificate_tags").paginate(ServerCertificateName="chat", PaginationConfig={"PageSize": 1})
    equal(len(list(pages)), 1)


def test_the_caller_is_the_account_s_user():
    identity = client("sts").get_caller_identity()
    equal((identity["Account"], identity["Arn"]), (ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/local"))
    answer = cli("sts", "get-caller-identity", "--query", "Account", "--output", "text")
    equal(answer.stdout.strip(), ACCOUNT)


harness.run(sys.modules[__name__])

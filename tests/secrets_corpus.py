"""Secrets as they stand in what programs print, and ordinary text that looks a little like them.

No secret here is one: the tokens are drawn from a seed, so that nothing in this file is found by other people's scanners.
"""

from __future__ import annotations

import random
import string

HEX = "0123456789abcdef"
WORD = string.ascii_letters + string.digits
UPPER = string.ascii_uppercase + string.digits


def drawn(size: int, signs: str = WORD, seed: int = 1) -> str:
    return "".join(random.Random(f"{size}{signs}{seed}").choices(signs, k=size))


TOKENS = {
    "AWS access key": ["AKIA" + drawn(16, UPPER), "ASIA" + drawn(16, UPPER), "ABIA" + drawn(16, UPPER)],
    "AWS secret key": [drawn(40, WORD + "/+", seed) for seed in (3, 4, 5)],
    "AWS session token": ["IQoJb3JpZ2luX2VjE" + drawn(300, WORD + "/+"), "FwoGZXIvYXdzE" + drawn(300)],
    "AWS Bedrock": ["ABSK" + drawn(130, WORD + "+/")],
    "GitHub": [f"gh{kind}_" + drawn(36) for kind in "pousr"] + ["github_pat_" + drawn(22) + "_" + drawn(59)],
    "GitLab": [f"gl{kind}-" + drawn(20) for kind in ("pat", "dt", "rt", "ptt", "soat")] + ["GR1348941" + drawn(20)],
    "Bitbucket": ["ATBB" + drawn(32)],
    "packages": [
        *("npm_" + drawn(36), "pypi-AgEIcHlwaS5vcmc" + drawn(160), "rubygems_" + drawn(48, HEX)),
        *("CLOJARS_" + drawn(60), "dckr_pat_" + drawn(27), "dckr_oat_" + drawn(32), "AKCp" + drawn(69)),
    ],
    "Slack": [
        *("xoxb-" + drawn(12, string.digits) + "-" + drawn(24), "xoxp-" + drawn(60), "xapp-1-A0" + drawn(60)),
        *("https://hooks.slack.com/services/T0" + drawn(8) + "/B0" + drawn(8) + "/" + drawn(24), "xoxe.xoxp-1-" + drawn(60)),
    ],
    "chat": [
        "https://discord.com/api/webhooks/" + drawn(18, string.digits) + "/" + drawn(68),
        "M" + drawn(23) + "." + drawn(6) + "." + drawn(27),
        drawn(9, "123456789") + ":AA" + drawn(33),
        "https://example.webhook.office.com/webhookb2/" + drawn(36) + "@" + drawn(36) + "/IncomingWebhook/" + drawn(32),
        "https://hooks.zapier.com/hooks/catch/" + drawn(7, string.digits) + "/" + drawn(7),
    ],
    "mail": [
        *("SG." + drawn(22) + "." + drawn(43), "key-" + drawn(32, HEX), drawn(32, HEX) + "-us14"),
        *("xkeysib-" + drawn(64, HEX) + "-" + drawn(16), "SK" + drawn(32, HEX)),
    ],
    "Google": ["AIza" + drawn(35), "GOCSPX-" + drawn(28), "ya29." + drawn(120), "1//0" + drawn(60)],
    "Azure": [drawn(3) + "8Q~" + drawn(34), "https://a.blob.core.windows.net/b?sv=1&sig=" + drawn(43) + "%3D"],
    "clouds": [
        *("dop_v1_" + drawn(64, HEX), "doo_v1_" + drawn(64, HEX), "HRKU-" + drawn(36), "fo1_" + drawn(43)),
        *("v1.0-" + drawn(24, HEX) + "-" + drawn(146, HEX), "pul-" + drawn(40, HEX), "hvs." + drawn(90)),
        *("hvb." + drawn(120), "s." + drawn(24), drawn(14) + ".atlasv1." + drawn(64), "dp.pt." + drawn(43)),
        *("dp.st.prd." + drawn(43), "dapi" + drawn(32, HEX), "sbp_" + drawn(40, HEX)),
    ],
    "watching": [
        *("xai-" + drawn(80), "nvapi-" + drawn(64), "tvly-dev-" + drawn(32), "tskey-auth-" + drawn(17) + "-" + drawn(32)),
        *("bkua_" + drawn(40, HEX), "CCIPAT_" + drawn(22) + "_" + drawn(40, HEX), "rnd_" + drawn(32)),
        *("shippo_live_" + drawn(40, HEX), "1/" + drawn(16, "123456789") + ":" + drawn(32, HEX)),
        *("glsa_" + drawn(32) + "_" + drawn(8, HEX), "glc_" + drawn(60), "NRAK-" + drawn(27, UPPER)),
        *("dt0c01." + drawn(24, UPPER) + "." + drawn(64, UPPER), "sntrys_" + drawn(80), "sntryu_" + drawn(64, HEX)),
    ],
    "databases": [
        *("pscale_tkn_" + drawn(43), "pscale_pw_" + drawn(43), "AVNS_" + drawn(19), "4b1d" + drawn(38)),
        *("mdb_sa_sk_" + drawn(40), "*" + drawn(40, "0123456789ABCDEF"), "$2b$12$" + drawn(53, WORD + "./")),
        *("$6$rounds=5000$" + drawn(16) + "$" + drawn(86), "$A$005$" + drawn(63), "$argon2id$v=19$m=65536,t=3,p=4$" + drawn(65)),
    ],
    "checks of code": ["squ_" + drawn(40, HEX), "sqp_" + drawn(40, HEX), "snyk_uat." + drawn(60), "PMAK-" + drawn(24, HEX) + "-" + drawn(34, HEX)],
    "money": [
        *("sk_live_" + drawn(24), "rk_live_" + drawn(40), "sk_test_" + drawn(90), "whsec_" + drawn(32)),
        *("sq0atp-" + drawn(22), "EAAA" + drawn(60), "shpat_" + drawn(32, HEX), "shpss_" + drawn(32, HEX)),
        *("access_token$production$" + drawn(16, HEX) + "$" + drawn(32, HEX), "EZAK" + drawn(54), "duffel_live_" + drawn(43)),
    ],
    "models": [
        *("sk-" + drawn(20) + "T3BlbkFJ" + drawn(20), "sk-proj-" + drawn(120), "sk-ant-api03-" + drawn(93)),
        *("hf_" + drawn(34, string.ascii_letters), "r8_" + drawn(37), "gsk_" + drawn(52), "pplx-" + drawn(48)),
    ],
    "offices": [
        *("ATATT3xFfGF0" + drawn(170), "lin_api_" + drawn(40), "ntn_" + drawn(46), "secret_" + drawn(43)),
        *("pat" + drawn(14) + "." + drawn(64, HEX), "figd_" + drawn(40), "tfp_" + drawn(59), "rdme_" + drawn(70, HEX)),
    ],
    "social": ["EAAC" + drawn(150), "AAAAAAAAAAAAAAAAAAAAA" + drawn(80)],
    "JWT": ["eyJhbGciOiJIUzI1NiJ9.eyJ" + drawn(40) + "." + drawn(43), "eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0.eyJ" + drawn(30) + "."],
    "keys": [
        "-----BEGIN RSA PRIVATE KEY-----\n" + drawn(64) + "\n" + drawn(40) + "\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN OPENSSH PRIVATE KEY-----\n" + drawn(70) + "\n-----END OPENSSH PRIVATE KEY-----",
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n" + drawn(64) + "\n-----END PGP PRIVATE KEY BLOCK-----",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\n" + drawn(64) + "\n",
        "AGE-SECRET-KEY-1" + drawn(58, UPPER),
    ],
}  # fmt: skip

# How a password stands where no library knows it: {} is the password.
CONTEXTS = (
    # SQL
    "CREATE USER app IDENTIFIED BY '{}'", "ALTER USER 'a'@'%' IDENTIFIED BY \"{}\";", "create user a identified by '{}', b@'%' identified by 'x9'",
    "CREATE USER a IDENTIFIED WITH caching_sha2_password BY '{}'", "ALTER USER a IDENTIFIED WITH 'mysql_native_password' AS '{}'",
    "ALTER USER USER() IDENTIFIED BY 'n3w' REPLACE '{}'", "GRANT ALL ON *.* TO a@'%' IDENTIFIED BY '{}'", "GRANT USAGE ON *.* TO a IDENTIFIED BY PASSWORD '{}'",
    "CREATE USER a IDENTIFIED VIA ed25519 USING PASSWORD('{}')", "SET PASSWORD FOR a = '{}'", "SET PASSWORD FOR 'a'@'10.0.%' = '{}'", "SET PASSWORD FOR `a`@`%` TO '{}'",
    "SET PASSWORD = '{}'", "SET PASSWORD = PASSWORD('{}')", "set password for root = old_password('{}')", "SELECT PASSWORD('{}')",
    "CHANGE MASTER TO MASTER_HOST='h', MASTER_PASSWORD='{}', MASTER_PORT=3306", "CHANGE REPLICATION SOURCE TO SOURCE_PASSWORD = '{}'",
    "START GROUP_REPLICATION USER='r', PASSWORD='{}'", "CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (USER 'a', PASSWORD '{}')",
    "CALL mysql.rds_set_external_master ('10.0.0.1', 3306, 'repl', '{}', 'mysql-bin.000001', 4, 0)", "SELECT AES_DECRYPT(ssn, '{}') FROM people",
    "CLONE INSTANCE FROM 'a'@'h':3306 IDENTIFIED BY '{}'", "INSERT INTO users SET name = 'a', password = '{}'",
    # command lines
    "mysql -u root -p{} staging", "mysqldump --single-transaction -u root -p'{}' staging > dump.sql", "/usr/bin/mysqladmin -p{} status", "mariadb-dump -ubackup -p{} db",
    "mysql --host db --password={} staging", "mysql --password '{}' -e 'SELECT 1'", "mydumper -h db -u backup -p {}", "mydumper -h db -u backup --password {}", "pt-table-sync h=db,u=a,p=x --password {}",
    "MYSQL_PWD={} mysql -h db", "export MYSQL_PWD={}", "PGPASSWORD={} psql", "env DB_PASS={} ./run", "sshpass -p {} ssh host", "sshpass -p{} ssh host", "redis-cli -h h -a {} ping",
    "curl -u admin:{} https://api.example", "curl --user admin:{} https://api.example", "docker run -e MYSQL_ROOT_PASSWORD={} mysql:8", "aws rds modify-db-cluster --master-user-password {} --apply-immediately",
    "aws secretsmanager put-secret-value --secret-id a --secret-string '{}'", "vault login --token {}", "mongo -u a -p {} admin", "$env:DB_PASSWORD = \"{}\"", "ConvertTo-SecureString \"{}\" -AsPlainText",
    # files
    "[client]\npassword={}", "[client]\nuser = a\npassword = {}\nhost = b", "machine db.example login root password {}", "machine db.example\n  login root\n  password {}\n", "db.example:3306:staging:root:{}",
    "*:*:*:postgres:{}", "spring.datasource.password={}", "DB_PASSWORD={}", "DATABASE_PASSWORD=\"{}\"", "MYSQL_ROOT_PASSWORD: {}", "password: {}\n", "  db_password: '{}'\n", "db:\n  user: a\n  password: \"{}\"\n",
    "SMTP_PASSWD={}", "<password>{}</password>", "<db-password type=\"text\">{}</db-password>", "<add key=\"x\" connectionString=\"Server=h;Uid=u;Pwd={};Database=d\" />", "define('DB_PASSWORD', '{}');", "wifi-passphrase: {}",
    # addresses
    "mysql://root:{}@db.example/staging", "mysql+pymysql://root:{}@db.example:3306/staging?charset=utf8", "postgres://a:{}@h", "redis://:{}@cache.example:6379/0", "amqp://guest:{}@mq.example//", "mongodb+srv://a:{}@c.mongodb.net",
    "https://ci:{}@git.example/repo.git", "root:{}@tcp(db:3306)/staging", "a:{}@unix(/tmp/mysql.sock)/db", "jdbc:mysql://db:3306/x?user=a&password={}", "jdbc:mysql://db:3306/x?password={}&user=a", "Server=h;Database=d;User Id=a;Password={};",
    "DefaultEndpointsProtocol=https;AccountName=a;AccountKey={}9xY==;EndpointSuffix=b", "Endpoint=sb://a/;SharedAccessKeyName=n;SharedAccessKey={}9xY=",
    # languages
    "password='{}'", "connect(host='db', user='a', password='{}')", "pymysql.connect('db', 'root', '{}', 'staging')", "mysqli_connect(\"h\", \"u\", \"{}\")", "Connection(host='db', password=b'{}')", "{{'user': 'a', 'password': b'{}'}}",
    "{{\"username\": \"a\", \"password\": \"{}\"}}", "{{\\\"username\\\": \\\"a\\\", \\\"password\\\": \\\"{}\\\"}}", "{{&quot;password&quot;: &quot;{}&quot;}}", "{{&#39;password&#39;: &#39;{}&#39;}}", "'password' => '{}',", ":password => \"{}\"",
    "Password: \"{}\",", "let dbPassword = \"{}\";", "const apiKey = '{}';", "client_secret: '{}'", "passwd=\"{}\"", "(\"password\", \"{}\")", "[('user', 'a'), ('password', '{}')]", "os.environ['DB_PASSWORD'] = '{}'", "os.environ.setdefault('DB_PASSWORD', '{}')",
    "{{\"name\": \"DB_PASSWORD\", \"value\": \"{}\"}}", "{{\"Name\": \"db-password\", \"Value\": \"{}\"}}", "MasterUserPassword='{}'", "\"MasterUserPassword\": \"{}\"", "\"SecretString\": \"{}\"", "auth_token={}", "X-Api-Key: {}9xY", "api_key={}",
    "password%3D{}", "<tr><th>password</th><td>{}</td></tr>", "<tr><td><code>db_password</code></td> <td>{}</td></tr>", "export AWS_SECRET_ACCESS_KEY={}", "aws_secret_access_key = {}", "encryption_key='{}'",
    # headers
    "Authorization: Bearer {}9xYz", "'Authorization': b'Bearer {}9xYz'", "b'authorization', br'Basic {}9xYz'", "authorization: Basic {}9xYz", "\"Authorization\": \"token {}9xYz\"", "Proxy-Authorization: Basic {}9xYz", "Cookie: session={}; theme=dark", "Set-Cookie: sid={}; HttpOnly",
)  # fmt: skip
PASSWORDS = ("Tr0ub4dor", "hunter2same", "Ab1&x-TAIL9")

INNOCENT = (
    # what is about a secret
    "password_resets=42", "password_last_changed = 2026-11-28", "session_token_ttl=3600", "password_length: 16", "secret_arn=arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:staging-AbCdEf", "SecretId: prod/aurora/reader",
    "secret_name='prod/aurora/reader-2'", "secret=prod/aurora/reader-2", "secret = \"prod/aurora/reader-2\"", "secret: staging-admin", "print({'secret': secret})", "password_file=/run/secrets/db", "password_policy: MEDIUM", "token_count: 812", "tokens: 12",
    "max_tokens=4096", "next_token=eyJ2ZXJzaW9uIjoi", "NextToken: AAMA-EFRSURBSGhV", "PaginationToken=abc123def456", "ClientToken=run-20260204", "primary_key=id", "PRIMARY KEY (`id`)", "foreign_key_checks=0", "KeyType: HASH", "key=staging/2026/record.ipynb",
    "kms_key_id=arn:aws:kms:ap-northeast-1:123456789012:key/1234abcd", "access_key_id is not set", "keyring=enabled", "sort_key: started", "partition_key=date", "api_key_id=abc", "ManageMasterUserPassword=True", "{'ManageMasterUserPassword': True}", "MasterUserPassword: unchanged",
    "pwd=/home/runbook", "OLDPWD=/srv/a1", "PWD=/srv/records", "pwd: /srv/runbooks", "password=None", "password=''", "password=\"\"", "password: null", "password=***", "password=********", "password=<redacted>", "password=${DB_PASSWORD}", "password: {{ vault_password }}", "password=%(password)s",
    "password=$(aws secretsmanager get-secret-value)", "password=getpass()", "password=getpass.getpass()", "password = os.environ['DB_PASSWORD']", "password=args.password", "password=self.password,", "password=credentials.password", "password: str", "password: str | None = None", "def connect(password: str = \"\") -> None:",
    "password VARCHAR(255) NOT NULL", "`password` varchar(255) DEFAULT NULL", "secret=secret", "token=token", "password=password", "[removed: password]", "password=[removed: password]", "--password", "--password-file=/run/pw", "--ask-pass", "-p 3306", "mysql -P 3306 -u root -p staging", "mysql -h db -u root -p",
    "mysql --port=3306 --protocol=tcp", "mysqldump --single-transaction --set-gtid-purged=OFF staging", "pt-table-checksum --replicate=percona.checksums", "mydumper --threads 4 --compress", "redis-cli -h cache ping", "curl -sS https://example.com/path",
    # sentences
    "secret: rds!cluster-3f2a-AbCdEf", "secret='rds!db-2b0c5d1e-aaaa'",
    "The password is the one of the restore point.", "Master password: unchanged", "Master password: as it was at the restore point", "the damage was identified as 'TRUNCATE TABLE tenants' at 03:00", "It was identified by 'the operator' and can be identified by \"its tags\".", "Is the password right? Access denied for user 'a'@'h' (using password: YES)",
    "(using password: NO)", "Enter password: ", "The secret is rotated every 30 days.", "No secret is stored: only its name.", "A token expires after one hour.", "the API key: see the vault", "Passwords: never a parameter", "secrets manager: reachable", "Password set.", "your password was changed", "bypass: none", "compass=north", "pass: 12, fail: 0", "12 passed, 0 failed",
    "passed=12", "pass=3", "passthrough=yes", "The passphrase of the key is asked for once.", "Reset password: see the wiki", "password authentication failed", "credential: none found", "credentials=default", "Unable to locate credentials", "no credentials: sign in first", "tokenizer=bert", "tokenization: done", "secretary: Ann", "Authorization failed", "Authorization: required", "cookies: accepted",
    # addresses, times and places
    "http://127.0.0.1:8080/path?at=a@b", "https://example.com:443/a@b", "mysql://db.example:3306/staging", "mysql://root@db.example/staging", "git@github.com:org/repo.git", "at 10:00:00@tcp(", "10:00:00@tcp(db:3306)", "user@tcp(db:3306)/x", "https://console.aws.amazon.com/rds/home?region=ap-northeast-1#database:id=staging", "s3://bucket/records/INC-7/20260204T100000Z",
    "arn:aws:rds:ap-northeast-1:123456789012:cluster:staging", "arn:aws:iam::123456789012:role/runbook", "staging.cluster-c1a2b3d4e5f6.ap-northeast-1.rds.amazonaws.com:3306", "00:11:22:33:44:55", "fe80::1ff:fe23:4567:890a", "2026-02-04T10:00:00Z", "10:00:00.123456", "2026-02-04 19:00 Asia/Tokyo", "127.0.0.1:3306", "runbook_lib/records/verify.py:40:12", "a.py:12:34:error:message", "line 40, in main",
    # hashes, ids and figures
    "da39a3ee5e6b4b0d3255bfef95601890afd80709", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "d41d8cd98f00b204e9800998ecf8427e", "f47ac10b-58cc-4372-a567-0e02b2c3d479", "plan id a1b2c3d4e5f6", "commit d94617b1f2c3e4a5b6c7d8e9f0a1b2c3d4e5f6a7",
    "cluster-ABCDEFGHIJKLMNOPQRSTUVWXYZ", "db-ABCDEFGHIJKLMNOPQRSTUVWX", "vpc-0a1b2c3d4e5f67890", "sg-0123456789abcdef0", "rds:staging-2026-02-04-03-10", "awsbackup:job-1a2b3c4d-5e6f-7a8b-9c0d-1e2f3a4b5c6d", "jr_2f8a6d1c9e7b4a3f5d6c8b9a0e1f2d3c4b5a69788776655443322110ffeeddcc", "AROAEXAMPLEID:session", "123456789012", "mysql-bin-changelog.000123:4567",
    "3E11FA47-71CA-11E1-9E33-C80AA9429562:1-77", "0123456789012345678901234567890123456789", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "abcdefghijklmnopqrstuvwxyzabcdefghijklmn", "2.10.4", "$13.80", "$9.72 a day", "12 %", "1,024 GiB", "*** 3 rows", "* 12 tables", "****", "100.00%", "Q1~Q4",
    # code and output
    "def remember(value: str, *, kind: str) -> str:", "return secrets.token_hex(8)", "from runbook_lib.redaction import remember", "token = next(tokens)", "print({'jwt': jwt, 'SessionToken': token})", "connect(host=host, password=word)", "<code>print({'password': word})</code>", "for token in tokens:", "key: value", "keys = sorted(found, key=len)", "sorted(rows, key=lambda row: row.id)", "{'key': 'value', 'id': 7}", "{\"runbook_result\": {\"outcome\": \"succeeded\"}}", "assert token == expected", "if password != other:",
    "password == other", "secret is None", "class Secret(str): ...", "SELECT user, host, plugin FROM mysql.user", "SHOW GRANTS FOR 'a'@'%'", "GRANT SELECT ON *.* TO 'a'@'%'", "CREATE USER 'a'@'%' IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS'", "ALTER USER a PASSWORD EXPIRE INTERVAL 90 DAY", "ALTER USER a ACCOUNT LOCK", "SET PASSWORD", "REPLACE INTO t VALUES ('a', 'b')", "SELECT REPLACE(name, 'a', 'b')",
    "CREATE TABLE secrets (id INT)", "DROP TABLE password_resets", "staging.password_resets: 42 rows", "| password_resets | 42 |", "user  password_expired", "column `password_hash` is missing", "('user', 'password', 'email')", "[\"user\", \"password\", \"email\"]", "INSERT INTO t (user, password) SELECT user, password FROM s", "('PASSWORD', 'ROLE')", "KeyError: 'password'", "TypeError: connect() got an unexpected keyword argument 'password'",
    "AttributeError: 'NoneType' object has no attribute 'token'", "pip install keyring", "loading...", "[1/9] Where do I begin?", "<td>password</td><td>&nbsp;</td>", "<th>secret</th><td>prod/aurora/reader-2</td>", "password</th>", "<input type=\"password\" name=\"pw\">", "placeholder=\"password\"", "id=\"password\"", "RUNBOOK_MYSQL_PASSWORD is not set", "environment variable RUNBOOK_MYSQL_PASSWORD", "`RUNBOOK_MYSQL_USER`, `RUNBOOK_MYSQL_PASSWORD`",
    "AWS_PROFILE=staging", "AWS_REGION=ap-northeast-1", "secretsmanager:GetSecretValue", "iam:PassRole", "kms:Decrypt", "sts:GetSessionToken", "rds:DescribeDBClusters", "glue:GetJobRuns", "X-Amz-Date=20260204T100000Z", "X-Amz-Expires=900", "X-Amz-Target: secretsmanager.GetSecretValue", "bearer of bad news", "Bearer token required", "skipped: 3", "sk-learn", "task-runner", "disk-usage: 40", "mask-image", "desk_test_1",
    "cluster: staging", "zone: Asia/Tokyo", "approve: a1b2c3d4e5f6", "incident: INC-7", "outcome: succeeded", "exit code: 0", "by root on host", "rows: 51,089", "tables: 229", "53 tables damaged", "12.5 s", "2 minutes", "SELECT 1", "SHOW TABLES",
    "UPDATE users SET name = 'b' WHERE id = 1", "DELETE FROM staging.tenants WHERE id < 100", "TRUNCATE TABLE staging.tenants", "RENAME TABLE a TO b", "binlog_format=ROW", "gtid_mode=ON", "max_allowed_packet=67108864", "sql_mode='STRICT_TRANS_TABLES'", "character_set_server=utf8mb4",
    "require_secure_transport=ON", "ssl_ca=/etc/ssl/rds.pem", "server-key.pem", "tls_version=TLSv1.3", "validate_password.policy=MEDIUM", "validate_password.length = 8", "default_password_lifetime=0", "password_require_current=OFF", "mysql_native_password", "caching_sha2_password",
    "mysql_clear_password is refused", "sha256_password is deprecated", "skip-grant-tables", "credential_provider: instance role", "token_refresh_days=7", "secret_rotation_days: 30", "key_count=3", "Token types: access, refresh", "-----BEGIN CERTIFICATE-----", "-----BEGIN PUBLIC KEY-----",
    "npm install", "hf_hub is not installed", "shape (3, 4)", "shpfile", "patience", "pattern.compile", "figure 3", "glance", "global", "SG.Cluster", "s.lower()", "eyJ", "AKIA", "ghp_", "xoxb", "key-value", "monkey-patch", "us-east-1", "status-us1", "4b1d", "EAAA", "dapi", "sq0", "hvs.", "pul-request", "1//2", "u+0041", "$1", "$HOME", "$2 each", "a * b * c", "A3-sized paper",
)  # fmt: skip


def secrets() -> list[tuple[str, str]]:
    """Return texts, each with the secret in it that has to go."""
    found = [
        (f"2026-02-04 03:00 worker: got {token} from the job", token) for each in TOKENS.values() for token in each
    ]
    found = [(text, _secret_part(token)) for text, token in found]
    return found + [(context.format(password), password) for context in CONTEXTS for password in PASSWORDS]


def _secret_part(token: str) -> str:
    """Return of an address what may not be known: the end of its path."""
    return token.rpartition("=" if "sig=" in token else "/")[2] if token.startswith("https://") else token

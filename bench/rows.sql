-- Rows of earlier requests, as many in each table as :rows says: those of the audit of 90 days and
-- sends of one, with ten thousand misses of the last hour among them.
CREATE TEMP TABLE beginning AS SELECT (extract(epoch FROM now()) * 1000000)::bigint AS now;

INSERT INTO audit (
    at, flow, purpose, action, outcome, client, network, request_id, pass_code, contact, region,
    contact_fingerprint, range_fingerprint, count, charged
)
SELECT
    now - (n::numeric / :rows * 90 * 86400 * 1000000)::bigint,
    'pass_login', 'phone_verification', (ARRAY['look_up', 'send', 'check'])[n % 3 + 1],
    (ARRAY['valid', 'sent', 'verified'])[n % 3 + 1],
    format('172.%s.%s.%s', 16 + n % 16, n / 16 % 256, n / 4096 % 256),
    format('172.%s.%s.0/24', 16 + n % 16, n / 16 % 256),
    md5(n::text), 'HSP-****-0001', '***-***-0001', 'IN',
    'k1:' || md5('n' || n % 1000000), 'k1:' || md5('p' || n % 100), 1, 'lookups'
FROM generate_series(1, :rows) AS n, beginning;

INSERT INTO audit (
    at, flow, purpose, action, outcome, client, network, request_id, pass_code, count, charged
)
SELECT
    now - n * 350000, 'pass_login', 'phone_verification', 'look_up', 'pass_not_found',
    format('192.168.%s.%s', n % 200, n / 200 % 256), format('192.168.%s.0/24', n % 200),
    md5(n::text), 'HSP-****-0002', 1, 'lookups lookups lookup_misses'
FROM generate_series(1, 10000) AS n, beginning;

INSERT INTO sends (id, at, flow, purpose, slot, contact, client, network)
SELECT
    'earlier' || n, now - (n::numeric / :rows * 86400 * 1000000)::bigint,
    'signup', 'signup', 'signup:phone:+4479' || n, '+4479' || n,
    format('172.%s.%s.%s', 16 + n % 16, n / 16 % 256, n / 4096 % 256),
    format('172.%s.%s.0/24', 16 + n % 16, n / 16 % 256)
FROM generate_series(1, :rows) AS n, beginning;

INSERT INTO records (key, body, version)
SELECT 'usage:checks:earlier' || n, format('[%s]', now - n), 1
FROM generate_series(1, :rows) AS n, beginning;

ANALYZE;

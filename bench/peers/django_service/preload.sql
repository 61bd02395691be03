-- 100 000 users with one paid pass each: user i has the pass HSP-<4>-<4> of i.
insert into plans(id, name, price_cents, description)
values ('11111111-1111-1111-1111-111111111111', 'Gold Annual', 9900, '');
insert into users(id, password, is_superuser, username, first_name, last_name, is_staff, is_active,
                  date_joined, email, phone_number, is_verified)
select ('00000000-0000-4000-8000-' || lpad(i::text, 12, '0'))::uuid, '!', false, 'u' || i,
       'First' || i, 'Last' || i, false, true, now(), 'u' || i || '@example.com',
       '+1555' || lpad(i::text, 7, '0'), false
from generate_series(0, 99999) i;
insert into pass_purchases(id, user_id, plan_id, pass_code, payment_status, pass_status, created_at,
                           expires_at)
select ('00000000-0000-4000-9000-' || lpad(i::text, 12, '0'))::uuid,
       ('00000000-0000-4000-8000-' || lpad(i::text, 12, '0'))::uuid,
       '11111111-1111-1111-1111-111111111111',
       'HSP-' || lpad((i / 10000)::text, 4, '0') || '-' || lpad((i % 10000)::text, 4, '0'),
       'paid', 'active', now(), now() + interval '300 days'
from generate_series(0, 99999) i;
analyze;

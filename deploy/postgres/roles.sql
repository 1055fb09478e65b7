-- Makola's login roles: one for whoever owns and migrates the schemas, one per service, one for the operator's command.
--
-- Run by a superuser, as often as you like; plain SQL, so psql and any driver can run it. Nothing here grants access to a
-- schema: the migrations do, table by table. Passwords are set apart from this file (deploy/postgres/setup.sh), so that
-- it can be read by anybody.

DO $$
DECLARE
    role text;
BEGIN
    -- Two runs at the same moment would trip over each other's CREATE ROLE.
    PERFORM pg_advisory_xact_lock(hashtext('makola roles'));

    FOREACH role IN ARRAY ARRAY[
        'makola_owner',      -- owns the schemas, runs the migrations; no service logs in with it
        'makola_gateway',    -- api-gateway
        'makola_webhook',    -- api-gateway's webhook intake: inserts provider events and tasks, and nothing else
        'makola_billing',    -- billing-worker
        'makola_inventory',  -- inventory-worker
        'makola_reports',    -- reports-worker
        'makola_reader',     -- what reports-worker reads reports with, where READ_DATABASE_URL says so: from a copy of the database, or from this one
        'makola_notifier',   -- notifier
        'makola_cron',       -- cron
        'makola_operator'    -- the command makola, apart from migrate
    ] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
            EXECUTE format('CREATE ROLE %I LOGIN', role);
        END IF;
        -- Said again on every run, so that a role somebody widened by hand is narrow again.
        EXECUTE format('ALTER ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS', role);
        -- A process that vanishes in the middle of a transaction frees its rows after this time (relay, leases).
        EXECUTE format('ALTER ROLE %I SET idle_in_transaction_session_timeout = ''30s''', role);
    END LOOP;

    -- Nobody logs in as it: it owns the functions that search by part of a word, and may read the searched columns (see the migrations).
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'makola_search') THEN
        CREATE ROLE makola_search NOLOGIN;
    END IF;
    ALTER ROLE makola_search NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
    -- The owner's migrations hand those functions over to it.
    IF NOT pg_has_role('makola_owner', 'makola_search', 'MEMBER') THEN
        GRANT makola_search TO makola_owner;
    END IF;

    -- It reads, whatever it is granted. A report is one long transaction that holds no locks and waits for its file now and then.
    ALTER ROLE makola_reader SET default_transaction_read_only = on;
    ALTER ROLE makola_reader SET statement_timeout = '20min';
    ALTER ROLE makola_reader SET lock_timeout = '30s';
    ALTER ROLE makola_reader SET idle_in_transaction_session_timeout = '5min';

    -- A migration may sit in its transaction while it waits for a lock or for its own next file.
    ALTER ROLE makola_owner SET idle_in_transaction_session_timeout = '5min';
    -- A lock that is not granted soon would queue up everybody behind it.
    ALTER ROLE makola_owner SET lock_timeout = '10s';
END
$$;

-- PostgreSQL 14 and older, and clusters upgraded from them, let everybody create objects in public.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;

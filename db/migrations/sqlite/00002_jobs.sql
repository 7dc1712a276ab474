-- +goose Up
ALTER TABLE "operations" ADD COLUMN "batch" INTEGER NOT NULL DEFAULT 0;
ALTER TABLE "operations" ADD COLUMN "max_failures" INTEGER NOT NULL DEFAULT 0;
ALTER TABLE "operations" ADD COLUMN "forgiven" INTEGER NOT NULL DEFAULT 0;
ALTER TABLE "operations" ADD COLUMN "request_key" TEXT;
CREATE UNIQUE INDEX "operations_request_key" ON "operations" ("request_key");

ALTER TABLE "tasks" ADD COLUMN "batch" INTEGER NOT NULL DEFAULT 0;
ALTER TABLE "tasks" ADD COLUMN "job_id" TEXT;

CREATE TABLE "operation_jobs" (
    "operation_id" INTEGER NOT NULL PRIMARY KEY,
    "payload" TEXT NOT NULL,
    FOREIGN KEY ("operation_id") REFERENCES "operations" ("id") ON DELETE CASCADE
);

ALTER TABLE "jobs" ADD COLUMN "operation_id" INTEGER;
ALTER TABLE "jobs" ADD COLUMN "task_id" INTEGER;
ALTER TABLE "jobs" ADD COLUMN "superseded" INTEGER NOT NULL DEFAULT 0;
ALTER TABLE "jobs" ADD COLUMN "detail" TEXT NOT NULL DEFAULT '';
ALTER TABLE "jobs" ADD COLUMN "content" TEXT NOT NULL DEFAULT '';
ALTER TABLE "jobs" ADD COLUMN "timeout" INTEGER NOT NULL DEFAULT 0;
ALTER TABLE "jobs" ADD COLUMN "keep" INTEGER NOT NULL DEFAULT 0;
ALTER TABLE "jobs" ADD COLUMN "expires_at" DATETIME;
ALTER TABLE "jobs" ADD COLUMN "deadline_at" DATETIME;
ALTER TABLE "jobs" ADD COLUMN "started_at" DATETIME;
ALTER TABLE "jobs" ADD COLUMN "cancel_requested_at" DATETIME;
ALTER TABLE "jobs" ADD COLUMN "exit_code" INTEGER;
ALTER TABLE "jobs" ADD COLUMN "stdout_size" INTEGER NOT NULL DEFAULT 0;
ALTER TABLE "jobs" ADD COLUMN "stderr_size" INTEGER NOT NULL DEFAULT 0;
ALTER TABLE "jobs" ADD COLUMN "stdout_kept" INTEGER NOT NULL DEFAULT 0;
ALTER TABLE "jobs" ADD COLUMN "stderr_kept" INTEGER NOT NULL DEFAULT 0;
ALTER TABLE "jobs" ADD COLUMN "elapsed" INTEGER NOT NULL DEFAULT 0;
ALTER TABLE "jobs" ADD COLUMN "output_hash" TEXT NOT NULL DEFAULT '';
ALTER TABLE "jobs" ADD COLUMN "file_name" TEXT NOT NULL DEFAULT '';
ALTER TABLE "jobs" ADD COLUMN "file_size" INTEGER NOT NULL DEFAULT 0;
ALTER TABLE "jobs" ADD COLUMN "file_checksum" TEXT NOT NULL DEFAULT '';
DROP INDEX "jobs_host_id_created_at";
CREATE INDEX "jobs_host_id_id" ON "jobs" ("host_id", "id");
CREATE INDEX "jobs_host_id_state_id" ON "jobs" ("host_id", "state", "id");
CREATE INDEX "jobs_finished_at" ON "jobs" ("finished_at");
CREATE INDEX "jobs_operation_id_id" ON "jobs" ("operation_id", "id");
CREATE INDEX "jobs_outcome" ON "jobs" ("operation_id", "superseded", "state", "err_code", "exit_code", "output_hash", "id");
CREATE INDEX "jobs_task_id" ON "jobs" ("task_id");
CREATE INDEX "jobs_state_id" ON "jobs" ("state", "id");
CREATE INDEX "jobs_action_id" ON "jobs" ("action", "id");
CREATE INDEX "jobs_state_expires_at" ON "jobs" ("state", "expires_at");
CREATE INDEX "jobs_state_deadline_at" ON "jobs" ("state", "deadline_at");
CREATE INDEX "jobs_content" ON "jobs" ("content");

CREATE TABLE "job_output" (
    "job_id" TEXT NOT NULL,
    "stream" TEXT NOT NULL,
    "start" INTEGER NOT NULL,
    "body" BLOB NOT NULL,
    PRIMARY KEY ("job_id", "stream", "start"),
    FOREIGN KEY ("job_id") REFERENCES "jobs" ("id") ON DELETE CASCADE
);

CREATE TABLE "files" (
    "checksum" TEXT NOT NULL PRIMARY KEY,
    "size" INTEGER NOT NULL,
    "created_by" TEXT NOT NULL,
    "created_at" DATETIME NOT NULL,
    "used_at" DATETIME NOT NULL
);
CREATE INDEX "files_used_at" ON "files" ("used_at");

ALTER TABLE "events" ADD COLUMN "uid" TEXT;
ALTER TABLE "events" ADD COLUMN "child" TEXT NOT NULL DEFAULT '';
ALTER TABLE "events" ADD COLUMN "family" TEXT NOT NULL DEFAULT '';
UPDATE "events" SET "family" = substr("kind", 1, instr("kind", '.') - 1);
CREATE UNIQUE INDEX "events_uid" ON "events" ("uid");
CREATE INDEX "events_child_id" ON "events" ("child", "id");
CREATE INDEX "events_family_id" ON "events" ("family", "id");

ALTER TABLE "child_agents" ADD COLUMN "reason" TEXT NOT NULL DEFAULT '';
ALTER TABLE "child_agents" ADD COLUMN "ready" INTEGER NOT NULL DEFAULT 0;
ALTER TABLE "child_agents" ADD COLUMN "restarts" INTEGER NOT NULL DEFAULT 0;
ALTER TABLE "child_agents" ADD COLUMN "limits" TEXT;
ALTER TABLE "child_agents" ADD COLUMN "limited_by" TEXT NOT NULL DEFAULT '';
ALTER TABLE "child_agents" ADD COLUMN "last_exit" TEXT;
CREATE INDEX "child_agents_name_host_id" ON "child_agents" ("name", "host_id");
CREATE INDEX "child_agents_status_name_host_id" ON "child_agents" ("status", "name", "host_id");

-- +goose Down
DROP INDEX "child_agents_status_name_host_id";
DROP INDEX "child_agents_name_host_id";
ALTER TABLE "child_agents" DROP COLUMN "last_exit";
ALTER TABLE "child_agents" DROP COLUMN "limited_by";
ALTER TABLE "child_agents" DROP COLUMN "limits";
ALTER TABLE "child_agents" DROP COLUMN "restarts";
ALTER TABLE "child_agents" DROP COLUMN "ready";
ALTER TABLE "child_agents" DROP COLUMN "reason";
DROP INDEX "events_family_id";
DROP INDEX "events_child_id";
DROP INDEX "events_uid";
ALTER TABLE "events" DROP COLUMN "family";
ALTER TABLE "events" DROP COLUMN "child";
ALTER TABLE "events" DROP COLUMN "uid";
DROP TABLE "files";
DROP TABLE "job_output";
DROP INDEX "jobs_content";
DROP INDEX "jobs_state_deadline_at";
DROP INDEX "jobs_state_expires_at";
DROP INDEX "jobs_action_id";
DROP INDEX "jobs_state_id";
DROP INDEX "jobs_task_id";
DROP INDEX "jobs_outcome";
DROP INDEX "jobs_operation_id_id";
DROP INDEX "jobs_finished_at";
DROP INDEX "jobs_host_id_state_id";
DROP INDEX "jobs_host_id_id";
CREATE INDEX "jobs_host_id_created_at" ON "jobs" ("host_id", "created_at");
ALTER TABLE "jobs" DROP COLUMN "file_checksum";
ALTER TABLE "jobs" DROP COLUMN "file_size";
ALTER TABLE "jobs" DROP COLUMN "file_name";
ALTER TABLE "jobs" DROP COLUMN "output_hash";
ALTER TABLE "jobs" DROP COLUMN "elapsed";
ALTER TABLE "jobs" DROP COLUMN "stderr_kept";
ALTER TABLE "jobs" DROP COLUMN "stdout_kept";
ALTER TABLE "jobs" DROP COLUMN "stderr_size";
ALTER TABLE "jobs" DROP COLUMN "stdout_size";
ALTER TABLE "jobs" DROP COLUMN "exit_code";
ALTER TABLE "jobs" DROP COLUMN "cancel_requested_at";
ALTER TABLE "jobs" DROP COLUMN "started_at";
ALTER TABLE "jobs" DROP COLUMN "deadline_at";
ALTER TABLE "jobs" DROP COLUMN "expires_at";
ALTER TABLE "jobs" DROP COLUMN "keep";
ALTER TABLE "jobs" DROP COLUMN "timeout";
ALTER TABLE "jobs" DROP COLUMN "content";
ALTER TABLE "jobs" DROP COLUMN "detail";
ALTER TABLE "jobs" DROP COLUMN "superseded";
ALTER TABLE "jobs" DROP COLUMN "task_id";
ALTER TABLE "jobs" DROP COLUMN "operation_id";
DROP TABLE "operation_jobs";
ALTER TABLE "tasks" DROP COLUMN "job_id";
ALTER TABLE "tasks" DROP COLUMN "batch";
DROP INDEX "operations_request_key";
ALTER TABLE "operations" DROP COLUMN "request_key";
ALTER TABLE "operations" DROP COLUMN "forgiven";
ALTER TABLE "operations" DROP COLUMN "max_failures";
ALTER TABLE "operations" DROP COLUMN "batch";

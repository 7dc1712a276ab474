-- +goose Up
ALTER TABLE `certificates`
    ADD COLUMN `revoked_by` VARCHAR(255) NOT NULL DEFAULT '',
    ADD KEY `certificates_hostname_serial` (`hostname`, `serial`),
    ADD KEY `certificates_revoked_at` (`revoked_at`);

-- +goose Down
ALTER TABLE `certificates`
    DROP KEY `certificates_revoked_at`,
    DROP KEY `certificates_hostname_serial`,
    DROP COLUMN `revoked_by`;

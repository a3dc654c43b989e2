-- Ids of the parts of a long SMS stand side by side: its receipts, each about one part, are joined here.
create index deliveries_parts_idx on deliveries using gin (string_to_array(provider_message_id, ' ')) where strpos(provider_message_id, ' ') > 0;

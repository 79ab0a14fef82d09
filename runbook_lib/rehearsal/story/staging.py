"""The 81 tables of `staging`, in the vendor's order (by name, as a dump writes them), and what else lives there.

The core is apartments, rooms, tenants, movings, inquiries and contracts; the rest is what a share-house operator's
system has around it. Every awkward thing a recovery meets is in here somewhere: a table named by a reserved word, no
key at all, composite, text and binary keys, an id of 0, zero dates, another character set, generated columns.
"""

from __future__ import annotations

from runbook_lib.rehearsal.story.definitions import Table

SCHEMA = "staging"

TABLES: tuple[Table, ...] = (
    Table(
        "access_logs",
        2600,
        "at=datetime path=enum(/|/rooms|/inquiry|/login|/mypage) ip=ipv4? status=count agent=name?",
        extra=("KEY `ix_at` (`at`)",),
        twins=9,
    ),
    Table("account_items", 60, "id code label=title side=enum(debit|credit) active=flag"),
    Table("apartment_facilities", 620, "apartment_id>apartments! facility_id>m_facilities! memo=note?"),
    Table("apartment_photos", 420, "id apartment_id>apartments caption=title? picture=picture? taken_on=date?"),
    Table("apartment_stations", 480, "apartment_id~apartments! station_id~m_stations! walk_minutes=count"),
    Table(
        "apartments",
        210,
        "id code house postal_address=address prefecture_id~m_prefectures built=year? floors=floor latitude=double?"
        " area=float? features=json? amenities=set(wifi|laundry|bicycle|storage|rooftop) status=enum(open|full|closed)"
        " updated_at=touched",
        extra=("UNIQUE KEY `ux_code` (`code`)",),
    ),
    Table("api_tokens", 90, "token=uuid! label=title secret=digest? used_at=datetime6?"),
    Table("application_forms", 700, "id inquiry_id~inquiries answers=json raw=blob? sent_at=timestamp?"),
    Table(
        "audit_logs",
        2400,
        "id=big actor=name? action=enum(create|update|delete|login) target=code? change=json? at=datetime6",
    ),
    Table("bank_accounts", 260, "id holder=kana branch=code number=phone? balance=money"),
    Table("banners", 40, "id title link=code? picture=picture? shown_from=date? shown_until=day_ahead?"),
    Table("batch_histories", 380, "id=big name=code took=span? rows_read=big? message=note?"),
    Table("bicycle_parkings", 240, "id apartment_id>apartments slot=code taken=flag"),
    Table("bulletin_posts", 320, "id apartment_id~apartments title body pinned=flag posted_at=datetime"),
    Table("campaign_apartments", 260, "campaign_code~campaigns! apartment_id~apartments! discount=rate"),
    Table("campaigns", 45, "code! title body=body? discount=yen starts_on=date ends_on=day_ahead"),
    Table("cleaning_results", 520, "id schedule_id>cleaning_schedules score=float? remark=note?"),
    Table(
        "cleaning_schedules",
        430,
        "id apartment_id>apartments weekday=set(mon|tue|wed|thu|fri|sat|sun) starts=time lasts=span?",
    ),
    Table(
        "common_areas",
        300,
        "id apartment_id>apartments kind=enum(kitchen|lounge|shower|laundry|rooftop) area=float?",
    ),
    Table("contract_documents", 360, "id contract_id~contracts title content=blob? sha256=digest?"),
    Table(
        "contract_options",
        520,
        "contract_id~contracts! option_code=enum(parking|bicycle|storage|insurance)! price=yen",
    ),
    Table(
        "contracts",
        1100,
        "id tenant_id>tenants room_id>rooms number=code starts_on=date ends_on=day_ahead? rent=yen deposit=money"
        " kind=enum(new|renewal|short) signed=bits? terms=json? note? updated_at=touched",
        extra=("UNIQUE KEY `ux_number` (`number`)", "CONSTRAINT `ck_contract_rent` CHECK (`rent` >= 0)"),
    ),
    Table("coupons", 120, "code! percent=floor used=flag used_at=datetime?"),
    Table("credit_checks", 420, "id tenant_id>tenants verdict=enum(pass|hold|fail)? score=small raw=varbytes?"),
    Table("deposits", 760, "id contract_id~contracts amount=money returned=money? returned_on=date?"),
    Table("electricity_meters", 420, "id room_id>rooms serial=big flags=bits installed=year?"),
    Table("electricity_readings", 1500, "meter_id~electricity_meters! read_on=date! kwh=rate"),
    Table("email_deliveries", 1500, "id=big template_id~email_templates email sent_at=timestamp? error=note?"),
    Table("email_templates", 36, "id code subject=title body"),
    Table("emergency_contacts", 640, "id tenant_id>tenants name phone relation=enum(parent|sibling|friend|employer)?"),
    Table("equipments", 380, "id apartment_id>apartments label=title bought_on=old_date price=yen?"),
    Table("event_participants", 300, "event_code=enum(hanami|bbq|halloween|newyear)! tenant_id~tenants! answer=note?"),
    Table("exchange_rates", 400, "day=date! currency=enum(USD|EUR|KRW|CNY|TWD)! rate"),
    Table("faqs", 70, "id question=title answer=body language=enum(ja|en|ko|zh)"),
    Table("furniture", 540, "id room_id>rooms label=title condition_rank=enum(a|b|c|d) bought_on=date?"),
    Table("garbage_rules", 90, "id apartment_id>apartments weekday=set(mon|tue|wed|thu|fri|sat|sun) what=note"),
    Table("guarantors", 480, "id tenant_id>tenants name kana=kana? postal_address=address phone income=money?"),
    Table("holidays", 60, "day=date! label=title"),
    Table("house_rules", 110, "id apartment_id>apartments body language=enum(ja|en|ko|zh) version=small"),
    Table(
        "inquiries",
        1500,
        "id apartment_id>apartments name email phone=phone? message=note channel=enum(web|phone|walk-in|partner)"
        " wanted_from=day_ahead? budget=yen? state=enum(new|visited|applied|lost) asked_at=datetime updated_at=touched",
        extra=("KEY `ix_asked_at` (`asked_at`)",),
    ),
    Table(
        "inquiry_histories",
        900,
        "id inquiry_id~inquiries state=enum(new|visited|applied|lost) by=name? at=datetime6",
    ),
    Table("inspections", 260, "id apartment_id>apartments inspector=name passed=flag report=json?"),
    Table("insurance_policies", 380, "id contract_id~contracts number=code premium=money until=day_ahead?"),
    Table("invoice_lines", 2400, "invoice_id~invoices! line_no=floor! label=title amount=money tax=rate?"),
    Table("invoices", 1300, "id=big contract_id~contracts number=code total=money issued_on=date paid=flag"),
    Table("keys", 700, "id room_id>rooms label=code holder=enum(tenant|office|lost|vendor)? lent_at=datetime?"),
    Table("languages", 12, "code! label=title"),
    Table(
        "legacy_notes",
        240,
        "id room_code=code recorded_on=old_date remark=enum(退去|入居|修繕|苦情)? entered_at=datetime?",
        options="CHARSET=cp932",
    ),
    Table("m_cities", 70, "id prefecture_id>m_prefectures label=address"),
    Table("m_facilities", 48, "id label=title icon=varbytes?"),
    Table("m_nationalities", 60, "code! label=name"),
    Table("m_occupations", 30, "id label=title"),
    Table("m_payment_methods", 8, "code! label=title fee=yen"),
    Table("m_prefectures", 48, "id label=address area=double"),
    Table("m_railways", 42, "id label=title operator=name"),
    Table("m_stations", 220, "id railway_id>m_railways label=title latitude=double longitude=double"),
    Table("mailboxes", 640, "id room_id>rooms number=code pin=digest?"),
    Table("moving_audits", 40, "id moving_id~movings was=code? became=code? at=datetime"),
    Table(
        "movings",
        1300,
        "id room_id>rooms tenant_id>tenants kind=enum(in|out|within) planned_on=date done_at=datetime? state=code"
        " cost=money? updated_at=touched",
    ),
    Table("notices", 180, "id apartment_id~apartments title body shown=flag shown_at=timestamp?"),
    Table("parking_lots", 90, "id apartment_id>apartments number=code price=yen? width=float?"),
    Table(
        "payments",
        2600,
        "id=big contract_id~contracts amount=money method=enum(bank|card|cash|convenience)? paid_on=date"
        " memo=note?",
    ),
    Table("price_histories", 1200, "room_id~rooms! valid_from=date! rent=yen"),
    Table("refunds", 160, "id payment_id~payments amount=money reason=note refunded_on=date?"),
    Table(
        "repairs",
        620,
        "id room_id>rooms what=note cost=money? photo=picture? state=enum(open|ordered|done) asked_at=datetime",
    ),
    Table("review_scores", 420, "id apartment_id~apartments stars=floor mean=float spread=double? text=note?"),
    Table("room_facilities", 1300, "room_id>rooms! facility_id>m_facilities! working=flag"),
    Table("room_locks", 420, "id room_id>rooms firmware=bits secret=digest battery=float?"),
    Table("room_photos", 420, "id room_id>rooms picture caption=title? width=count height=count"),
    Table(
        "rooms",
        820,
        "id apartment_id>apartments number=code floor kind=enum(private|dormitory|studio) size=float rent=yen"
        " common_fee=yen vacant=flag free_from=day_ahead? equipment=json? note? updated_at=touched",
        extra=(
            "`rent_total` INT GENERATED ALWAYS AS (`rent` + `common_fee`) STORED",
            "UNIQUE KEY `ux_number` (`number`)",
        ),
    ),
    Table("sensor_readings", 1600, "sensor=enum(hall|kitchen|roof) at=datetime celsius=float humidity=small?", twins=5),
    Table("staff", 64, "id name kana email phone=phone? hired_on=date? photo=picture?"),
    Table("staff_shifts", 900, "staff_id>staff! day=date! starts=time ends=time?"),
    Table("surveys", 300, "id tenant_id~tenants answers=json satisfied=float? text=note?"),
    Table("tenant_languages", 700, "tenant_id>tenants! language=enum(ja|en|ko|zh|vi|ne)! level=enum(a|b|c)?"),
    Table(
        "tenants",
        950,
        "id last_name=name first_name=name kana email phone=phone? born_on=date? nationality~m_nationalities"
        " interests=set(music|cooking|sports|games|travel) token=uuid blacklisted=flag memo=note? updated_at=touched",
        extra=(
            "`full_name` VARCHAR(130) GENERATED ALWAYS AS (CONCAT(`last_name`, ' ', `first_name`)) VIRTUAL",
            "UNIQUE KEY `ux_email` (`email`)",
        ),
    ),
    Table(
        "utilities",
        420,
        "id apartment_id>apartments kind=enum(power|gas|water|internet) price=rate since=year? provider=name?",
    ),
    Table("vendors", 90, "id name phone=phone? trade=set(clean|repair|move|pest) rating=double?"),
    Table("water_readings", 1200, "id room_id~rooms read_on=date litres=big? blob=blob?"),
    Table("webhook_deliveries", 320, "delivery=uuid! target=code payload=json answer=small? at=datetime6"),
    Table("wifi_accounts", 640, "ssid=code! room_id~rooms secret=varbytes mbps=float?"),
)  # fmt: skip

# What the application never sends to the vendor: the vendor's `basis` does not know it, and no load brings it back.
OWN_TABLE = "moving_audits"

# Views, triggers and routines belong to the master user, as those of a real estate: no application is rdsadmin.
OCCUPANCY_VIEW = """CREATE OR REPLACE DEFINER = `admin`@`%` VIEW `staging`.`room_occupancy` AS
SELECT r.`id` AS room_id, r.`number`, a.`code` AS apartment_code, r.`rent_total`, COUNT(m.`id`) AS movings
FROM `staging`.`rooms` r JOIN `staging`.`apartments` a ON a.`id` = r.`apartment_id`
LEFT JOIN `staging`.`movings` m ON m.`room_id` = r.`id`
GROUP BY r.`id`, r.`number`, a.`code`, r.`rent_total`"""

MOVING_TRIGGER = """CREATE DEFINER = `admin`@`%` TRIGGER `staging`.`movings_after_update`
AFTER UPDATE ON `staging`.`movings` FOR EACH ROW
INSERT INTO `staging`.`moving_audits` (`moving_id`, `was`, `became`, `at`)
VALUES (NEW.`id`, OLD.`state`, NEW.`state`, NOW())"""

ROUTINES = (
    """CREATE DEFINER = `admin`@`%` FUNCTION `staging`.`rent_with_tax`(rent INT) RETURNS DECIMAL(12,2) DETERMINISTIC
RETURN ROUND(rent * 1.10, 2)""",
    """CREATE DEFINER = `admin`@`%` PROCEDURE `staging`.`close_room`(IN closed_room INT UNSIGNED) MODIFIES SQL DATA
BEGIN
  UPDATE `staging`.`rooms` SET `vacant` = 0, `free_from` = NULL WHERE `id` = closed_room;
END""",
)

-- Visual acuity of clinical records and FHIR Observations as logMAR, the text beside it and the reason where it can't be read.
--
-- grain:    scan_id
-- readers:  researcher, model
-- column source:       clinic, a hand-typed record of both acuities, or fhir, an Observation of one of them
-- column scan_id:      key of the measurement
-- column patient_id:   key of the patient
-- column exam_id:      key of the patient's visit of that day
-- column eye:          OD or OS
-- column udva_text:    uncorrected distance acuity as typed
-- column udva_logmar:  uncorrected distance acuity
-- column udva_reason:  why it has no logMAR
-- column cdva_text:    corrected distance acuity as typed
-- column cdva_logmar:  corrected distance acuity
-- column cdva_reason:  why it has no logMAR
with entries as (
    select
        'clinic' as source,
        scan_id,
        patient_id,
        exam_id,
        eye,
        exam_date,
        udva_text,
        cdva_text
    from bronze.clinic_visit
    union all
    -- An acuity that does not say whether it is corrected is neither; it stays in bronze.
    select
        'fhir' as source,
        scan_id,
        patient_id,
        exam_id,
        eye,
        exam_date,
        case when measure = 'udva' then acuity_text end as udva_text,
        case when measure = 'cdva' then acuity_text end as cdva_text
    from bronze.fhir_observation
    where measure in ('udva', 'cdva') and not is_void
),
readings as (
    select
        *,
        parse_acuity(udva_text) as udva,
        parse_acuity(cdva_text) as cdva
    from entries
)
select
    source,
    scan_id,
    patient_id,
    exam_id,
    eye,
    exam_date,
    udva_text,
    udva['logmar'] as udva_logmar,
    udva['reason'] as udva_reason,
    cdva_text,
    cdva['logmar'] as cdva_logmar,
    cdva['reason'] as cdva_reason
from readings

-- What the model kc_dx says of an eye beside what the clinician wrote. Not for clinical use.
--
-- grain:    exam_id, eye
-- readers:  clinician, researcher
-- column predicted:     class with the highest probability; null where the model abstains
-- column p_*:           probability of the class
-- column diagnosis:     the clinician's word at that visit, one of seven; null where none was typed
-- column issues:        what is wrong with the scan's file, each as code: detail
select
    exam_id,
    eye,
    patient_id,
    exam_date,
    predict('kc_dx') as predicted,
    predict_proba('kc_dx', class => 'normal') as p_normal,
    predict_proba('kc_dx', class => 'keratoconus') as p_keratoconus,
    predict_proba('kc_dx', class => 'subclinical_keratoconus') as p_subclinical_keratoconus,
    predict_proba('kc_dx', class => 'pellucid_marginal_degeneration') as p_pellucid_marginal_degeneration,
    predict_proba('kc_dx', class => 'post_refractive_surgery') as p_post_refractive_surgery,
    predict_proba('kc_dx', class => 'fuchs_dystrophy') as p_fuchs_dystrophy,
    predict_proba('kc_dx', class => 'post_keratoplasty') as p_post_keratoplasty,
    diagnosis,
    issues
from gold.eye_features

-- The 14 statistics of the 14 maps in the 8 mm zone, each list in the order of map_statistic_names().
--
-- grain:    scan_id
-- readers:  researcher
-- column scan_id:      key of the measurement
-- column patient_id:   key of the patient
-- column exam_id:      key of the patient's visit of that day
-- column eye:          OD or OS
-- column ant_axial*:   anterior axial curvature, keratometric index 1.3375
-- column ant_tang*:    anterior tangential curvature, keratometric index 1.3375
-- column ant_gauss*:   anterior Gaussian curvature, keratometric index 1.3375
-- column ant_refr*:    anterior refractive power as the device gives it
-- column ant_elev*:    anterior elevation over the best-fit sphere of the 8 mm zone; positive is in front of the sphere
-- column post_axial*:  posterior axial curvature, from index 1.376 to 1.336
-- column post_tang*:   posterior tangential curvature, from index 1.376 to 1.336
-- column post_gauss*:  posterior Gaussian curvature, from index 1.376 to 1.336
-- column post_refr*:   posterior refractive power as the device gives it
-- column post_elev*:   posterior elevation over the best-fit sphere of the 8 mm zone; positive is in front of the sphere
-- column pachy*:       corneal thickness
-- column stroma*:      stromal thickness
-- column epi*:         epithelial thickness
-- column tot_refr*:    equivalent power of the whole cornea as the device gives it
select
    scan_id,
    patient_id,
    exam_id,
    eye,
    exam_date,
    map_statistics(ant_axial_d, zone_mm => 8.0) as ant_axial,
    map_statistics(ant_tang_d, zone_mm => 8.0) as ant_tang,
    map_statistics(ant_gauss_d, zone_mm => 8.0) as ant_gauss,
    map_statistics(ant_refr_d, zone_mm => 8.0) as ant_refr,
    map_statistics(ant_elev_um, zone_mm => 8.0) as ant_elev,
    map_statistics(post_axial_d, zone_mm => 8.0) as post_axial,
    map_statistics(post_tang_d, zone_mm => 8.0) as post_tang,
    map_statistics(post_gauss_d, zone_mm => 8.0) as post_gauss,
    map_statistics(post_refr_d, zone_mm => 8.0) as post_refr,
    map_statistics(post_elev_um, zone_mm => 8.0) as post_elev,
    map_statistics(pachy_um, zone_mm => 8.0) as pachy,
    map_statistics(stroma_um, zone_mm => 8.0) as stroma,
    map_statistics(epi_um, zone_mm => 8.0) as epi,
    map_statistics(tot_refr_d, zone_mm => 8.0) as tot_refr
from silver.corneal_maps

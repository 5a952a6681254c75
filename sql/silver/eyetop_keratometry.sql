-- Simulated keratometry from EyeTop elevations beside what the device printed, as power vectors, by three definitions.
--
-- grain:    scan_id, method
-- readers:  researcher
-- column method:         ring: mean of opposite semi-meridians on the 3 mm ring; meridian and harmonic as in sim_k
-- column *m_d:           mean power
-- column *j0_d:          power vector, 0°/90° component; positive where the flat meridian is horizontal
-- column *j45_d:         power vector, 45°/135° component
-- column d_*:            computed minus device
-- column distance_d:     length of the difference of the power vectors
with methods as (
    select scan_id, 'ring' as method, sim_k1_d, sim_k1_axis_deg, sim_k2_d, sim_k2_axis_deg,
        sim_k_from_elevation(rho_mm, z_mm, meridians => 256, diameter_mm => 3.0, method => 'ring') as ours
    from bronze.cso_eyetop
    union all
    select scan_id, 'meridian' as method, sim_k1_d, sim_k1_axis_deg, sim_k2_d, sim_k2_axis_deg,
        sim_k_from_elevation(rho_mm, z_mm, meridians => 256, diameter_mm => 3.0, method => 'meridian') as ours
    from bronze.cso_eyetop
    union all
    select scan_id, 'harmonic' as method, sim_k1_d, sim_k1_axis_deg, sim_k2_d, sim_k2_axis_deg,
        sim_k_from_elevation(rho_mm, z_mm, meridians => 256, diameter_mm => 3.0, method => 'harmonic') as ours
    from bronze.cso_eyetop
),
vectors as (
    select
        scan_id,
        method,
        ours,
        power_vector(sim_k2_d, sim_k1_d - sim_k2_d, sim_k1_axis_deg) as device
    from methods
)
select
    scan_id,
    method,
    round(device['m'], 2) as device_m_d,
    round(ours['m_d'], 2) as m_d,
    round(ours['m_d'] - device['m'], 2) as d_m_d,
    round(device['j0'], 2) as device_j0_d,
    round(ours['j0_d'], 2) as j0_d,
    round(ours['j0_d'] - device['j0'], 2) as d_j0_d,
    round(device['j45'], 2) as device_j45_d,
    round(ours['j45_d'], 2) as j45_d,
    round(ours['j45_d'] - device['j45'], 2) as d_j45_d,
    round(
        sqrt(power(ours['m_d'] - device['m'], 2) + power(ours['j0_d'] - device['j0'], 2) + power(ours['j45_d'] - device['j45'], 2)),
        2
    ) as distance_d
from vectors

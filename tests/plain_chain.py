"""The sector-plume chain written out plainly from nitrogen.md chapter 3: one pair, one class at a time.

No tables over directions, no lanes, no blocks, nothing hoisted: what the kernels must equal on any case. Symbols are
those of that chapter. Single sources only (no sub-sources), climatologies without empty classes.
"""

import math
from math import atan, atan2, cos, exp, log, log10, pi, sin, sqrt
from typing import NamedTuple

import numpy as np

K = 0.4
G = 9.81


def nint(v):
    return math.floor(abs(v) + 0.5) * (1 if v >= 0 else -1)


def clip(v, a, b):
    return min(max(v, a), b)


NO2F = [0.81, 0.88, 1.08, 1.30, 1.33, 1.40, 1.25, 1.03, 0.83, 0.71, 0.70, 0.68]
SO2F = [0.77, 0.73, 0.88, 1.09, 1.30, 1.34, 1.28, 1.14, 0.97, 0.94, 0.90, 0.77]
TWS = [1.6, 1.6, 1.4, 1.3, 1.2, 1.2, 1.2, 1.1, 1.2, 1.3, 1.4, 1.7]
TWW = [1.5, 1.7, 1.6, 1.6, 2.0, 1.7, 1.6, 1.7, 1.5, 1.3, 1.2, 1.2]
RS_ = [1.6, 1.6, 1.5, 1.7, 1.9, 2.0, 1.9, 2.1, 2.0, 1.7, 1.7, 1.4]
RW_ = [1.1, 0.9, 1.0, 0.9, 0.9, 0.9, 1.1, 1.2, 1.2, 1.4, 1.4, 1.2]
NIGHT = [
    [0, 0, 0.635, 0.635, 1.0, 0.985],
    [0.21, 0.21, 0.695, 0.695, 0.70, 0.875],
    [0.525, 0.535, 0.59, 0.535, 0.53, 0.535],
    [0.525, 0.585, 0.59, 0.535, 0.53, 0.535],
]
PROF = {
    0: [100] * 12,
    1: [73, 69, 68, 100, 129, 131, 124, 121, 109, 97, 93, 86],
    2: [33, 33, 35, 80, 150, 155, 120, 116, 122, 135, 145, 77],
    3: [24, 16, 23, 150, 175, 121, 127, 154, 190, 112, 60, 48],
    31: [8, 5, 43, 157, 141, 126, 143, 172, 190, 113, 67, 35],
    32: [12, 17, 82, 158, 161, 163, 167, 175, 131, 73, 41, 22],
    33: [3, 1, 54, 184, 149, 137, 149, 174, 165, 89, 69, 26],
    7: [33, 33, 35, 80, 150, 155, 120, 116, 122, 135, 145, 77],
}


def psi_w(z, L):
    if L > 0:
        return -17 * (1 - exp(-0.29 * z / L))
    y = (1 - 15 * z / L) ** 0.25
    return log(((1 + y) / 2) ** 2 * (1 + y * y) / 2) - 2 * atan(y) + pi / 2


def wlog(z, z0, us, L):
    Psi = psi_w(z, L)
    if L > 0:
        Psi += 17 * (1 - exp(-0.29 * z0 / L))
    return max(us / K * (log(z / z0) - Psi), 0.75)


def z0corr(z1, z2, us, L):
    if not abs(z1 - z2) >= 0.1 * z1:
        return us, L
    B = -(us**3) / L
    U = us / K * (log(50 / z1) - psi_w(50, L))
    d1 = d2 = None
    n = 0
    up, lp = us, L
    while True:
        n += 1
        if L < 0 and n >= 3 and d1 > d2:
            return up, lp
        un = K * U / (log(50 / z2) - psi_w(50, lp))
        ln = -(un**3) / B
        dn = abs(un - up)
        if un / up <= 0:
            return un, ln
        B = B * (un / up) ** (0.8 if B < 0 else 0.1)
        d2, d1 = d1, dn
        up, lp = un, ln
        if dn <= 0.015 * un or n == 40:
            break
    return max(up, 0.06), (max(lp, 5) if lp > 0 else min(lp, -5))


def psi_h(z, L):
    e = z / L
    if e > 0:
        return -0.7 * e - (0.75 * e - 10.72) * exp(-0.35 * e) - 10.72
    return 2 * log((1 + sqrt(1 - 16 * e)) / 2)


def Ra(z, z0, us, L):
    return (log(z / z0) - psi_h(z, L) + psi_h(z0, L)) / (K * us)


def lai_sai(lu, D, lat=52.0):
    if lu in (6, 7, 9):
        return 0.0, 0.0
    par = {
        1: (0, 366, 2, 3.5, 140, 135),
        8: (0, 366, 2, 3.5, 140, 135),
        2: (130, 250, 0, 4.2, 35, 65),
        3: (130, 250, 0, 4.2, 35, 65),
        4: (0, 366, 5, 5, 1, 1),
        5: (int(100.5 + 1.5 * (lat - 50)), int(307.5 - 2 * (lat - 50)), 0, 4, 20, 30),
    }[lu]
    D1, D2, lo, hi, l1, l2 = par
    if D < D1 or D > D2:
        lai = 0.0
    elif D1 + l1 >= D:
        lai = lo + (hi - lo) * (D - D1) / l1
    elif D2 - l2 <= D:
        lai = lo + (hi - lo) * (D2 - D) / l2
    else:
        lai = hi
    if lu in (1, 8):
        s = lai
    elif lu == 2:
        s = lai if (D < D1 or D > D2) else (max(5 / 3.5 * lai, lai + 1.5) if D1 + l1 >= D else lai + 1.5)
    elif lu == 3:
        s = lai + 0.5
    else:
        s = lai + 1
    return lai, s


def depac(gas, lu, lai, sai, T, RH, W, sp, nwet, us):
    Gw = 0.0
    if sai > 0:
        if gas == "NH3":
            Gw = sai / (200.0 if T < 0 else 7 * exp((100 - RH) / 12))
        elif gas == "NO2":
            Gw = 1 / 2000.0
        else:
            if T <= -5:
                r = 500.0
            elif T <= -1:
                r = 200.0
            elif nwet == 1:
                r = 10.0
            else:
                r = 25000 * exp(-0.0693 * RH) if RH < 81.3 else 0.58e12 * exp(-0.278 * RH) + 10
            if nwet == 1:
                r = 10.0
            Gw = 1 / r
    Gs_ = 0.0
    if lu not in (1, 8):
        if T < 0:
            Rs = {"NH3": 1000, "NO2": 2000, "SO2": 500}[gas]
        elif nwet == 0:
            Rs = {"NH3": 10 if lu == 6 else 100, "NO2": 2000 if lu == 6 else 1000, "SO2": 10 if lu == 6 else 1000}[gas]
        else:
            Rs = {"NH3": 10, "NO2": 2000, "SO2": 10}[gas]
        hc = {2: 1, 3: 1, 4: 20, 5: 20}.get(lu)
        Rinc = 0.0 if hc is None else (14 * hc * sai / us if us > 0 else 1000.0)
        Gs_ = 1 / (Rs + Rinc)
    Gst = 0.0
    if lai > 0 and W > 0:
        gmax, fmin, a, tn, to, tx, v1, v2 = {
            1: (270, 0.01, 0.009, 12, 26, 40, 1.3, 3.0),
            8: (270, 0.01, 0.009, 12, 26, 40, 1.3, 3.0),
            2: (300, 0.01, 0.009, 12, 26, 40, 0.9, 2.8),
            3: (300, 0.01, 0.009, 12, 26, 40, 0.9, 2.8),
            4: (140, 0.1, 0.006, 0, 18, 36, 0.5, 3.0),
            5: (150, 0.1, 0.006, 0, 20, 35, 1.0, 3.25),
        }[lu]
        e = (tx - to) / (to - tn)
        FT = fmin if tx <= T else max(fmin, (T - tn) / (to - tn) * ((tx - T) / (tx - to)) ** e)
        es = 0.6113718 + 4.43839e-2 * T + 1.39817e-3 * T**2 + 2.9295e-5 * T**3 + 2.16e-7 * T**4 + 3.0e-9 * T**5
        v = es * (1 - RH / 100)
        Fv = max(fmin, min(1, (1 - fmin) * (v2 - v) / (v2 - v1) + fmin))
        A = 4.57 * a
        s = sp if sp > 0 else 1e-4
        Ls = 2 * s * (1 - exp(-0.5 * lai / s))
        e1, e2 = (0.8, 0.8) if (W > 200 and lai > 2.5) else (0.7, 1.0)
        lg = log10(1 / s)
        D1 = 600 * exp(-0.185 / s) * s
        D2 = 0.4 * (600 - D1) * s
        w = 1320 * 10 ** (-1.195 + 0.4459 * lg - 0.0345 * lg * lg)
        D3 = (720 * exp(-0.06 / s) - w) * s
        D4 = 0.6 * (720 - D3 - w) * s
        V = max(0.1, D1 + D2)
        N = max(0.01, D3 + D4)
        c1 = min(0.9, W / (V + N))
        c2 = min(0.99, (0.9 - c1) / 0.7)
        c3 = max(0.01, (D1 / V) * (1 - (c2**2) ** (1 / 3)))
        Pd = c3 * c1 * V
        Pf = c1 * V - Pd
        Psh = Pf * exp(-0.5 * lai**e1) + 0.07 * Pd * (1.1 - 0.1 * lai) * exp(-s)
        Psun = 0.5 * Pd**e2 / s + Psh
        Fl = max(fmin, (Ls * (1 - exp(-A * Psun)) + (lai - Ls) * (1 - exp(-A * Psh))) / lai)
        Dx = {"NH3": 0.21e-4, "NO2": 0.13e-4, "SO2": 0.11e-4}[gas]
        Gst = lai * (gmax / 41000) * Fl * max(FT * Fv, fmin) * Dx / 0.13e-4
    return Gst, Gw, Gs_


def rc_mix(gas, shares, T, RH, Q, fr, us, ra, rb, cnh3, cso2):
    W = 2.78 * Q
    sp = 0.00237 * W - 1.86e-6 * W * W
    nwet = min(1, nint(0.3 * (0.4 * fr + RH / 59 - 0.4) ** 5))
    S = 0
    P = 0
    tot = sum(shares)
    for lu, sh in enumerate(shares, 1):
        if sh <= 0:
            continue
        days = [105, 195] if lu == 2 else [135]
        acc = 0
        for D in days:
            lai, sai = lai_sai(lu, D)
            Gst, Gw, Gso = depac(gas, lu, lai, sai, T, RH, W, sp, nwet, us)
            rc = 1 / (Gst + Gw + Gso)
            if gas == "NH3":
                c = max(cnh3, 1e-6)
                Tk = T + 273.15 if lu != 6 else 286.2 + 8.34 * sin(2 * pi * (D - 115.1) / 365)
                f = 2.75e15 / Tk * exp(-1.04e4 / Tk)
                st = 362 * 4.7 * c * exp(-0.071 * T) * f if lai > 0 else 0
                ex = (
                    max(0, max(0, 1.12 - 1.32 * (cso2 / 64) / (c / 17)) * (-850 + 1840 * c * exp(-0.11 * T)) * f)
                    if sai > 0
                    else 0
                )
                so = 430 * f if lu == 6 else 0
                cc = (Gw * ex + Gst * st + Gso * so) * rc
                rc = ((ra + rb) * cc + rc * c) / (c - cc) if c != cc else 10000.0
            acc += 1 / (rc + ra + rb)
        acc /= len(days)
        rl = 1 / acc - (ra + rb)
        rp = 1000.0 if rl <= 0 else rl
        S += sh / tot / (rl + ra + rb)
        P += sh / tot / (rp + ra + rb)
    return 1 / S - (ra + rb), 1 / P - (ra + rb)


def plume_rise(Qh, hs, T, us, L, wind, stab, D, V, Ts):
    """wind(z)"""
    Ta = T + 273.16 + (0.006 - 0.0098) * (hs - 1.5)
    dhm = 0.0
    stack = V is not None and D is not None and not math.isnan(V) and not math.isnan(D)
    if (stack and Qh is None) or (Qh is not None and isinstance(Qh, float) and math.isnan(Qh)):
        if stack:
            Tk = Ts + 273.16
            Qh = 1.293 * 1005 * pi * D * D / 4 * abs(V) * 273.16 / Tk * (Tk - Ta) * 1e-6
        else:
            Qh = 0.0
            Tk = None
    else:
        Tk = None
        if stack:
            C = 1.293 * 1005 * pi * D * D / 4 * abs(V) * 273.16 * 1e-6
            Tk = Ta / (1 - Qh / C) if Qh != 0 else Ta
    if stack and V > 0:
        u = wind(max(hs, 10))
        dhm = 3 * D * V / u
        if stab:
            t = V * V * D * D / (Tk * u)
            alt = 0.646 * math.copysign(abs(t) ** (1 / 3), t) * sqrt(Ta) * 0.006 ** (-1 / 6)
            dhm = min(dhm, alt)
    dh = 0.0
    if Qh > 0:
        F = 9.80665e6 * Qh / (pi * 1.293 * 1005 * 273.16)

        def ev(u):
            if not stab:
                return 21.3 * F**0.75 / u if F < 55 else 38.8 * F**0.6 / u
            s = 9.81 / Ta * 0.006
            return 2.6 * (F / (s * u)) ** 0.333

        last = -999.0
        z = hs
        for _ in range(10):
            u = wind(z)
            dh = ev(u)
            if abs(dh - last) < 0.1 + 0.05 * dh:
                break
            last = dh
            z = hs + dh / 2
    return max(dh, dhm)


def sigma(h, zi, z0, us, L, x):
    hp = min(h, 0.9 * zi)
    m = clip(hp / (0.1 * zi) - 0.5, 0, 1)
    up = su = 0.0
    if m > 0:

        def conv(z):
            u = wlog(z, z0, us, L)
            ws = (zi * us**3 / (-0.4 * L)) ** 0.333
            X = ws * x / (u * zi)
            return 0.7 * zi * X * sqrt(0.314 + (1.26 * us / ws) ** 2)

        TL = clip(150 - 2000 / L, 10, 400)

        def neut(z):
            u = wlog(z, z0, us, L)
            sw = (
                us * sqrt(1.5 * (z / (-0.4 * L)) ** 0.667 * exp(-2 * z / zi) + 1.7 - z / zi)
                if L < 0
                else us * sqrt(1.7 * (1 - hp / zi) ** 1.5)
            )
            return sw * x / u / (1 + sqrt(x / (2 * u * TL)))

        def reev(f, both):
            s0 = f(hp)
            s = 0.69 * s0
            if hp < zi / 2 and s > hp:
                return f(min(s, zi / 2))
            if both and hp > zi / 2 and s > zi - hp:
                return f(max(zi - s, zi / 2))
            return s0

        n = reev(neut, True)
        if L < 0:
            ff = clip(-zi / (20 * L), 0, 1)
            up = ff * reev(conv, False) + (1 - ff) * n
        else:
            up = n
    if m < 1:

        def ev(zu, zK):
            phi = 0.74 * (1 - 9 * zK / L) ** -0.5 if L < 0 else 0.74 + 4.7 * zK / L
            Kz = 0.35 * us * zK / phi
            Kz *= (1 - zK / zi) ** 1.5 if L <= 0 else (1.2 if L >= 30 else 2.4)
            return sqrt(2 * Kz * x / wlog(zu, z0, us, L))

        z = 0.07 * x**0.8 if L < 0 else 0.04 * x**0.7
        z = min(max(z, hp), zi / 2)
        zu = zK = zm = z
        n = 0
        last = False
        while True:
            su = ev(zu, zK)
            if last or n > 12:
                break
            n += 1
            s = 0.69 * su
            if s >= zi / 2:
                zu = zi / 2
                zK = 0.75 * zu if L < 0 else zu
                last = True
                continue
            if s <= hp:
                zn = hp - su
                zu = hp
                if zn < hp / 2:
                    zK = hp / 2
                    last = True
                elif abs(zn - zm) > 0.1 * zn:
                    zK = 0.4 * zn + 0.6 * zm
                    zm = zK
                    last = zK > zi / 2 or zK > hp + s
                else:
                    zK = zn
                    last = True
                continue
            if abs(zu - s) > 0.1 * zu:
                zu = max(zu + 0.6 * (s - zu), hp)
                if zu > zi / 2:
                    zu = zi / 2
                    last = True
                zK = 0.75 * zu if L < 0 else zu
                continue
            break
    return m * up + (1 - m) * su


PK = [0.82, 0.82, 0.76, 0.76, 0.67, 0.76]
U10DEF = [2.6, 3.8, 4.0, 6.9, 1.4, 2.5]
ZLOCDEF = [300, 985, 302, 537, 50, 153]


class Case(NamedTuple):
    """One source, the ground and the air, and what is computed."""

    table: np.ndarray
    hours: float
    z0_region: float
    nox: bool
    q: float
    height: float
    heat: float
    half: float  # Y: half the side, or the radius; 0 for a point
    circle: bool
    spread: float
    code: int
    stack: tuple[float, float, float]  # diameter, exit velocity, temperature; NaN where not given
    z0: float  # of source and path
    z0_receptor: float
    use_path: np.ndarray
    use_receptor: np.ndarray
    nh3: float  # ug/m3
    so2: float
    no2: float  # ppb
    given_rate: float | None
    switches: tuple[int, int, int, int]


def pair(case, dx, dy, receptor_height=4.0):
    """Concentration [ug/m3], dry and wet flux [ug/m2/h], primary then secondary species, at dx, dy from the source."""
    return sum(pair_of_class(case, k, dx, dy, receptor_height) for k in range(6))


def wrap(i):
    return (i - 1) % 12 + 1


def pair_of_class(case, k, X, Yc, zrec):
    (
        tab,
        total_hours,
        z0reg,
        nox,
        q,
        hs,
        Qh,
        Y,
        circle,
        s0,
        dv,
        stack,
        z0,
        z0r,
        lut,
        lur,
        nh3_air,
        so2_air,
        no2,
        given,
        sw,
    ) = case
    Dst, Vst, Tst = stack
    z0s = z0t = z0
    M1, M2 = (46.0, 62.0) if nox else (17.0, 18.0)
    x = math.hypot(X, Yc)
    if x == 0 and Y == 0:
        x = 0.01
    iwd = nint(math.degrees(atan2(X, Yc)) + 180)
    if iwd == 360:
        iwd = 0
    if x <= 2:
        iwd = 60
    sec0 = int(12 * (iwd + 15) / 360) + 1
    if sec0 == 13:
        sec0 = 1
    t = 1 if x <= 5e4 else 2 if x <= 1.5e5 else 3 if x <= 5e5 else 4
    if x <= 1e5:
        A, B, d = 1, 2, 1 - (1e5 - x) / (1e5 + 1)
    elif x <= 3e5:
        A, B, d = 2, 3, 1 - (3e5 - x) / 2e5
    else:
        A, B, d = 3, 4, min(1, 1 - (1e6 - x) / 7e5)
    out = np.zeros(6)
    # chemistry backgrounds
    so2 = so2_air * 24 / 64
    nh3 = nh3_air * 24 / 17
    side = 2 * Y
    n2f, s2f = NO2F[sec0 - 1], SO2F[sec0 - 1]
    if Y > 0 and x < side:
        n2f = 1 + (n2f - 1) * x / side
        s2f = 1 + (s2f - 1) * x / side
    no2p = no2 * n2f
    noxp = exp((no2p + 12.4) / 8.6) if no2p > 8.6 else no2p * exp(1 + 12.4 / 8.6) / 8.6
    nr = no2p / noxp
    ss_ = min(so2 * s2f / nh3, 3)
    kc_nh3 = max(1, 3 * (0.1 + 0.8 * no2p / nh3 + 6.3 * ss_ + 1.8 * ss_**4 - 0.17 * ss_**6) + 0.5)
    yh = min(0.8, 0.024 * (nh3 / 1000) ** -0.44)

    def at(tau, s, c):
        return tab[tau - 1, k, (s - 1) % 12, c]

    # pre height
    u10_first = at(1, sec0, 2)
    pw = at(1, sec0, 14)
    if u10_first == 0:
        u10_first = U10DEF[k]

    def first_wind(z):
        return u10_first * (z / 10) ** pw if z > 10 else u10_first

    hp = hs + plume_rise(Qh, hs, 12.0, None, None, first_wind, k >= 4, Dst, Vst, Tst)
    hp = max(hp, 10)
    a = 1.58 * at(1, sec0, 20) * (1 - exp(-hp / 180))
    iw = iwd - (nint(a * (1 - x / 1e5)) if x < 1e5 else 0)
    iw %= 360
    S = 12 * iw / 360 + 1
    i1 = int(S)
    w = S - i1
    i2 = i1 + 1
    ii = i1 if w < 0.5 - 1e-12 else i2
    if abs(w - 0.5) < 1e-9:
        ii = i2
    i1r, i2r, iir = wrap(i1), wrap(i2), wrap(ii)

    def between(tau, c):
        return (1 - w) * at(tau, i1r, c) + w * at(tau, i2r, c)

    N = (1 - d) * between(A, 0) + d * between(B, 0)
    if N == 0:
        return out
    P = N / total_hours

    def near(c):
        return (1 - d) * at(A, iir, c) + d * at(B, iir, c)

    zi, u10, Rbs, Ra4b, Ra50b, rlo, rhi, us, Tc, L, H0 = [near(c) for c in (1, 2, 3, 4, 5, 6, 7, 18, 19, 21, 22)]
    if H0 == 0:
        H0 = 1.0
    Q, RH, p, RcSO2, RcA, fr, ddc = [between(t, c) for c in (13, 23, 14, 15, 26, 10, 9)]
    bdur, R = at(t, iir, 11), at(t, iir, 12)
    tw = 0.7 * bdur
    zi100 = at(2, iir, 1)
    ziloc = at(1, iir, 1)
    if zi100 == 0:
        zi100 = zi
    if ziloc == 0:
        ziloc = ZLOCDEF[k]
    ziloc = min(ziloc, zi, zi100)
    xe = x
    if x > 5e4:

        def DT(tau):
            return 1e3 * between(tau, 8) or [0, 1e5, 3e5, 1e6][tau - 1]

        if x <= 3e5:
            d3 = 0 if x <= 1e5 else d
            xe = x * ((1 - d3) * DT(2) / 1e5 + d3 * DT(3) / 3e5)
        elif x <= 1e6:
            xe = x * ((1 - d) * DT(3) / 3e5 + d * DT(4) / 1e6)
        else:
            xe = x * (1 + (DT(4) / 1e6 - 1) * x / 1e6)
            zi = zi * (1 + 0.3 * (x / 1e6 - 1))
    if Y > 0:
        if xe > Y:
            F = min(6, (6 / pi) * (2 * pi - 2 * (atan2(sqrt(xe * xe - Y * Y), Y) + 5 * pi / 12)))
            q3 = (Y / xe) ** 3
            Bf = 1 + (F - 1) * (q3 * (0.7 / 1.7) ** 0.33 + 1 - q3)
        else:
            F = 6
            Bf = 1 + 5 * ((1.7 * Y - xe) / (1.7 * Y)) ** 0.33
        names = ("zi", "Rbs", "Ra4b", "Ra50b", "fr", "Q", "RcSO2", "us", "Tc", "L", "H0", "RcA")
        cols = dict(zip(names, (1, 3, 4, 5, 10, 13, 15, 18, 19, 21, 22, 26)))
        nA = []
        nB = []
        sj = []
        for j in range(-3, 4):
            pj = clip(Bf / 2 - abs(j - w) + 0.5, 0, 1)
            s = wrap(i1 + j)
            sj.append(s)
            nA.append(pj * (1 - d) * at(A, s, 0))
            nB.append(pj * d * at(B, s, 0))
        hf = sum(nA) + sum(nB)
        V = {n: sum(na * at(A, s, c) + nb * at(B, s, c) for na, nb, s in zip(nA, nB, sj)) / hf for n, c in cols.items()}
        if xe < Y:
            hall = sum(at(1, s, 0) for s in range(1, 13))
            rho = (Y - xe) ** 0.33 / Y**0.33
            for n, c in cols.items():
                va = sum(at(1, s, 0) * at(1, s, c) for s in range(1, 13)) / hall
                V[n] = rho * va + (1 - rho) * V[n]
            hf = rho * hall / 2 + (1 - rho) * hf
        P = hf / total_hours
        zi, Rbs, Ra4b, Ra50b, fr, Q, RcSO2, us, Tc, L, H0, RcA = [
            V[n] for n in ("zi", "Rbs", "Ra4b", "Ra50b", "fr", "Q", "RcSO2", "us", "Tc", "L", "H0", "RcA")
        ]
        if H0 == 0:
            H0 = 1.0
    if (bdur == 0 or R == 0) and fr > 0:
        i = i1r - 1
        tw = 0.5 * TWS[i] + 0.5 * TWW[i]
        R = 0.5 * RS_[i] + 0.5 * RW_[i]
    # surface layer
    usb = max(7.22 / (Rbs + 1), 0.06)
    Lb = -(usb**3) * 1.29 * 1005 * (273 + Tc) / (0.4 * 9.8 * H0)
    L = max(L + 5, 5) if L > 0 else L
    Lb = max(Lb + 5, 10) if Lb > 0 else min(Lb, -7)
    us_s, Ls = z0corr(z0reg, z0s, us, L)
    us_t, _ = z0corr(z0reg, z0t, us, L)
    us_r, Lr = z0corr(z0reg, z0r, usb, Lb)

    def pwl(z):
        return u10 * (z / 10) ** p

    # rise
    stab = not (Ls < 0 or abs(Ls) > 50)

    def source_wind(z):
        return wlog(z, z0s, us_s, Ls)

    dh = plume_rise(Qh, hs, Tc, us_s, Ls, source_wind, stab, Dst, Vst, Tst)
    h = hs + dh
    r = (zi - h) / zi + 0.5 if (hs > zi or dh == 0) else (zi - h) / dh + 0.5
    if hs < ziloc and abs(Ls) < 100:
        r += 0.35
    r = clip(r, 0, 1)
    if h > zi and r > 0:
        h = zi
    xm = max(xe, Y)
    if xm <= 1:
        g = [0.28, 0.28, 0.2, 0.2, 0.12, 0.2][k]
    else:
        s1 = sigma(h, zi, z0s, us_s, Ls, xm)
        s2 = max(s1, sigma(h, zi, z0r, us_r, Lr, xm))
        g = 0.5 * (s1 + s2) / xm ** PK[k]
    pk = PK[k]
    # timing
    qq = q
    blocks = tab[t - 1, k, :, 16]

    def wt(code):
        return (blocks * PROF[code]).sum() / 100 / blocks.sum()

    if dv == 0:
        pass
    elif dv == 4:
        qq *= max((Tc + 24) / 34, 0.2) * (1 + wt(1)) / 2
    elif dv == 5:
        qq *= clip((1.069 - fr) ** 2, 0.5, 1.5) * 1.55e-5 * ((100 / Ra4b) ** 0.8 * (Tc + 23) ** 2.3) ** 1.25
    elif dv == 2:
        qq *= 0.1042 * ddc * wt(2)
    else:
        qq *= wt(dv)
    if qq == 0:
        return out
    # concentration
    y0 = 0.0
    Y1 = 0.0
    if Y > 0:
        y0 = 12 * (1.0 if circle else 1.128) * Y / pi
        Y1 = Y / 1.006 if circle else Y / max(abs(sin(math.radians(iwd))), abs(cos(math.radians(iwd)))) / 1.006
        if xe < Y1:
            s1 = 0.0
            xa = Y
        else:
            s1 = g * (xe - Y1) ** pk
            xa = xe
        s2 = 0.92 * g * (xa + Y) ** pk
        if abs(s2 - s1) <= 1e-4:
            s2 = 1.001 * s1
        sz = (s2 - s1) / log((0.1 + s2) / (0.1 + s1))
        sz = sqrt(sz * sz + s0 * s0)
    else:
        bb = min(g * xe**pk, (h - hs) / 2.5066) / 1.5 if Qh != 0 else 0.0
        sz = sqrt((g * xe**pk) ** 2 + bb * bb + s0 * s0)
    if r == 0:
        u = pwl(min(h, 500))
        sz = max(g * xe**pk, 1)
        zi = 80.0 if sz < 40 else 2 * sz
        ct = 0.0
        y1 = Y
    else:
        qz = sz / zi
        if qz > 1.6 or xe > 1e5:
            u = pwl(min(zi / 2, 500))
            Dz = 1 / zi
        else:
            hf_ = min((1 - qz / 1.6) * h + qz / 1.6 * zi / 2, 500)
            u = wlog(hf_, z0s, us_s, Ls) if hf_ <= 50 else pwl(hf_)
            E = (
                1
                + exp(-((2 * zi + h) ** 2 - h * h) / (2 * sz * sz))
                + exp(-((2 * zi - h) ** 2 - h * h) / (2 * sz * sz))
                if qz > 0.6 * sqrt(1 - h / zi)
                else 1
            )
            Dz = 2 / (sqrt(2 * pi) * sz) * exp(-h * h / (2 * sz * sz)) * E
        ct = qq * 12 / (2 * pi * (xe + y0) * u) * Dz * 1e6
        y1 = Y1
        if Y > 0 and xe < Y1:
            ct *= 1 + xe / y0 * ((Y1 - xe) / Y1) ** 0.4 * exp(-h * h / sz**2)
    c = r * ct
    # resistances
    Sc = 1.25 if nox else 0.69

    def rb(u_):
        return 2 / (K * u_) * (Sc / 0.72) ** (2 / 3)

    ra4r, ra50r, rbr = Ra(4, z0r, us_r, Lr), Ra(50, z0r, us_r, Lr), rb(us_r)
    ra4s, rbs = Ra(4, z0s, us_s, Ls), rb(us_s)
    ra4t = (Ra4b - Rbs) * log(4 / z0t) / log(4 / z0reg)
    ra50t = (Ra50b - Rbs) * log(50 / z0t) / log(50 / z0reg)
    rbt = rbr * us_r / us_t
    gas = "NO2" if nox else "NH3"
    rs_r, rp_r = rc_mix(gas, lur, Tc, RH, Q, fr, us_r, ra4r, rbr, nh3_air, so2_air)
    _, rp_t = rc_mix(gas, lut, Tc, RH, Q, fr, us_t, ra4t, rbt, nh3_air, so2_air)
    rstat = Ra4b
    if nox:

        def mk(rn):
            return 1 / (nr / (rn + rstat) + (1 - nr) / (2000 + rstat) + 0.03 / (RcSO2 + rstat)) - rstat

        rs_r = rp_r = mk(rp_r)
        rp_t = mk(rp_t)
    nwet = min(1, nint(0.3 * (0.4 * fr + RH / 59 - 0.4) ** 5))
    if z0r < 0.5:
        raer = 500 / us_r / (1 + (300 / (-Lr)) ** (2 / 3)) if Lr < 0 else 500 / us_r
    else:
        uh = u10 if z0r == 0.5 else wlog(8 * z0r, z0r, us_r, Lr)
        e_, x_ = (
            ((0.05, 0.23) if not nox else (0.063, 0.25)) if nwet == 0 else ((0.066, 0.41) if not nox else (0.10, 0.43))
        )
        E = e_ * us_r**x_
        if RH > 80:
            E *= 1 + (0.18 if nwet == 0 else 0.37) * exp((RH - 80) / 20)
        raer = uh / (E * us_r**2)
    if nox:

        def mk2(rr):
            return 1 / (yh / (rstat + 10) + (1 - yh) / (rstat + rr)) - rstat

        rsec_r = mk2(raer)
        rsec_t = mk2(RcA)
    else:
        rsec_r = raer
        rsec_t = 0.8 * RcA
    kc = kc_nh3 if not nox else 100 * Q * 62e-8 * 918 * nr + 2 * NIGHT[t - 1][k]
    if given is not None:
        kc = given
    # wet
    aw = pi * y0 / (6 * 1.128)
    Aw = xe if Y == 0 else (aw / 4 if xe <= y1 else xe - aw / 4)
    kw = 0.0
    ksw = 0.0
    if fr > 0:
        tr = max(0.01, tw * (1 - exp(-0.4 * Aw / (3600 * u) / tw)))
        v = 1.0
        if Y == 0:
            dz = zi - h
        elif xe < y1:
            dz = zi - h + sz * (y1 - xe) / y1
            v = 3.0
        else:
            dz = zi - h - y1**3 / (200 * xe**2)
        if dz < 0 or r == 0:
            dz = 0.0
        tm = min(1, xe / (3600 * u))
        pr = exp(-((dz + 5) ** 2) / (2 * v * sz * sz)) * tm
        Dg = 0.145 if nox else 0.24
        lb = 1.21 * Dg**0.744 * R**0.628
        Z = 2 * sz if r == 0 else zi
        Wr = 2e4 * nr if nox else 1.4e6
        kwb = 100 * fr / tr * (1 - exp(-lb * tr))
        kwi = 100 * fr / tr * (1 - exp(-Wr * tr * R / (1000 * Z)))
        kwb = min(kwb, kwi)
        if not nox:
            cm = 12 * qq * 1e6 / (2 * pi * (xe + y0) * u * zi)
            fac = min(1, c / cm)
        else:
            fac = 1.0
        kw = (kwb * (1 - pr) + kwi * pr) * fac
        # aerosol
        sa = 1.5 * sz if (Y > 0 and xe < y1) else sz
        if Y == 0:
            dz = zi - h
        elif xe < y1:
            dz = zi - h + sa * (y1 - xe) / y1
        else:
            dz = zi - h - y1**3 / (200 * xe**2)
        if dz < 0 or r == 0:
            dz = 0.0
        pra = exp(-((dz + 5) ** 2) / (2 * v * sa * sa))
        lba = 1.326 * 0.31 * R**0.816
        b_ = 100 * fr / tr * (1 - exp(-lba * tr))
        i_ = 100 * fr / tr * (1 - exp(-1.4e7 * tr * R / (1000 * zi)))
        b_ = min(b_, i_)
        ksw = b_ * (1 - pra) + i_ * pra
    kcd, kwd = kc * sw[0], kw * sw[2]
    # gradient and depletion
    g4 = (ra4r + rbr + rp_r) / (ra50r + rbr + rp_r)
    ratio = 0.7 * rhi if h > 350 else rhi if h > ziloc else rlo
    vd50 = ratio / (ra50t + rbt + rp_t)
    vd0 = 1 / (rbt + rp_t)
    cgt = 0.0
    d2 = d3 = 1.0
    um = u
    if r == 0:
        e = aw / 4
    else:
        flag = 0
        if k >= 4 and h > ziloc:
            flag = 1
            if zi100 <= ziloc:
                xg = 1e5
            else:
                xg = (h - ziloc) * 1e5 / (zi100 - ziloc)
                if xg > xe or xg < 0:
                    xg = 1e5
        else:
            xg = (ziloc / g) ** (1 / pk)
        xg = max(xg, Y1)
        uh = wlog(clip(h, 1, 500), z0s, us_s, Ls)
        if xe < xg:
            xx = xe
            cc = c
            sg = sz
            ug = (uh + u) / 2
        else:
            d3 = exp(-(xe - xg) / u * vd50 / zi)
            xx = xg
            sg = g * xg**pk
            zg = ziloc + xg / 1e5 * (zi100 - ziloc)
            ug = (uh + pwl(min(zg / 2, 500))) / 2
            cc = c * (xe + y0) / (xg + y0) * zi / zg
        Ad = Y1 / 4 if xe < Y1 else xe - Y1 / 1.33
        cgt = (1 - g4) * (1 - exp(-Ad / (4 * (ra4r + rbr + rp_r) * ug)))
        ur = 0.0
        ks = 0.0
        e = 0.0
        if Y > 0:
            if xe > Y1:
                s2 = sigma(h, zi, z0s, us_s, Ls, 2 * Y1)
                sr = s2 / log((h + s2) / h)
                ur = wlog((sr / 4 + h + 6) / 2, z0s, us_s, Ls)
                ug = (ur + u) / 2
            else:
                sr = sz
                ur = u
            sr = min(sr, zi100)
            ks = 1 / ((ra4s + rbs + rp_t) * sr)
        if not sw[3]:
            cgt = 0.0
        if xe > Y1 and xg > Y1 and flag == 0:
            Sg = (sg / h) ** 2
            al = 8 / pi * Sg / (1 + sqrt(1 + 8 * Sg / pi)) ** 2
            d2 = exp(-2 * al / qq * 1e-6 * vd0 * (2 * pi / 12) * (xx + y0) * cc * (u / ug) / r * (xx - Y1) * (1 - cgt))
        if Y > 0:
            Bb = ((kcd + kwd) / 3.6e5 + ks) * aw / ur
            if Bb > 15:
                Bb = 15 * (Bb / 15) ** 0.49
            e = aw / 4 * exp(-Bb / 18)
            d2 *= exp(-ks * e / ur)
        um = (
            (Y1 * ur + (xg - Y1) * ug + (xe - xg) * u) / xe
            if xe > xg
            else (Y1 * ur + (xe - Y1) * ug) / xe
            if xe > Y1
            else u
        )
        if not sw[1]:
            d2 = d3 = 1.0
    Ac = e if xe <= y1 else xe - e
    if Y == 0:
        Ac = xe
    dc = exp(-Ac / um * (kcd + kwd) / 3.6e5)
    base = c * d2 * d3 * dc
    cf = base * (1 - cgt)
    cpr = cf
    if zrec != 4 and r > 0 and sw[3]:
        raz = Ra(zrec, z0r, us_r, Lr)
        gz = (raz + rbr + rp_r) / (ra50r + rbr + rp_r)
        ugz = (uh + u) / 2 if xe < xg else (uh + pwl(min(zg / 2, 500))) / 2
        cpr = base * (1 - (1 - gz) * (1 - exp(-Ad / (zrec * (raz + rbr + rp_r) * ugz))))
    out[0] += P * cpr
    out[1] += P * cf / (ra4r + rbr + rs_r) * 3600
    xd = 0.0
    if Y == 0 and fr > 0:
        xd = hs / (130 * sqrt(8.95e-4 * R**0.21)) * u10 * (hs / 20) ** p
    qd = qq * dc * (d2 + (1 - d2) * (1 - r)) * (d3 + (1 - d3) * (1 - r))
    if not xe < xd:
        out[2] += kw / 100 * qd * P * 1e6 / (u * (2 * pi / 12) * (xe + y0 + 3 + xd))
    if kcd > 0:
        if Y == 0:
            al_ = xe
        else:
            E = exp(-(aw / (3 * um)) * ((kcd + kwd) / 3.6e5 + (vd50 / min(1.5 * sz, zi) if sw[1] and r > 0 else 0)))
            al_ = E * aw / 2 if xe <= y1 else xe - (1 - E) * aw / 2
        vs = (rhi if h > ziloc else rlo) / (ra50t + rbt + rsec_t)
        vp = vd50
        if r == 0:
            vs = vp = 0.0
        if not sw[1]:
            vs = vp = 0.0
        N_ = int(nint(al_) / 50000) + 6
        dt = al_ / (um * N_)
        e1 = 1 - exp(-dt * ((kcd + kwd) / 3.6e5 + vp / zi))
        e2 = 1 - exp(-dt * ((ksw if sw[2] else 0) / 3.6e5 + vs / zi))
        e3 = M2 / M1 * dt * kcd / 3.6e5
        m1, m2 = qq, 0.0
        for _ in range(N_):
            Gm = m1 * (1 - e1 / 2) * e3
            m2 = m2 + Gm - m2 * e2 - Gm * e2 / 2
            m1 *= 1 - e1
        qs = min(qq, m2 * qq * d2 * d3 * dc / m1) if m1 > 0 else 0.0
        sA = 1.5 * sz if (Y > 0 and xe < y1) else sz
        vv = u
        if Y > 0 and xe <= 1.01 * y1:
            vv = max(u, pwl(min(sA, zi / 2)))
        if sA < 1.6 * zi:
            cs = (
                1.5238e6
                * qs
                / (vv * sA * (xe + y0))
                * (
                    exp(-h * h / (2 * sA * sA))
                    + exp(-((2 * zi - h) ** 2) / (2 * sA * sA))
                    + exp(-((2 * zi + h) ** 2) / (2 * sA * sA))
                )
            )
        elif m1 > 1e-4 * qq:
            cs = qs / qq * ct
        else:
            cs = 12e6 * qs / (6.2832 * zi * (xe + y0) * u)
        gs = (ra4r + rbr + rsec_r) / (ra50r + rbr + rsec_r)
        cgs = (1 - gs) * cgt / (1 - g4) if g4 != 1 else 1 - gs
        if not sw[3]:
            cgs = 0.0
        out[3] += P * r * cs * (1 - cgs)
        out[4] += 3600 * P * r * cs / (ra50r + rbr + rsec_r)
        out[5] += ksw / 100 * qs * P * 1e6 / (u * (2 * pi / 12) * (xe + y0 + 3 + xd))
    return out

#pragma once

/// Functions of single numbers for tables and settings (positions, schedules, moments): the C
/// library's differ in the last place from one version to the next, which would show in the bits of
/// f32 (docs/same-bits.md). Made of IEEE's exact operations, fma among them; within 2 units of the
/// last place, sin and cos up to |x| = 2^30.
namespace rapt::kernels::portable {

double sin(double x);
double cos(double x);
double exp(double x);
/// base^exponent of a positive base.
double pow(double base, double exponent);

}  // namespace rapt::kernels::portable

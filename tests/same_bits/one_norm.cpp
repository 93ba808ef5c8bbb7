// A program that links one part of the library alone: the bits must be those of a program that
// links all of it (hashes.cpp). Prints the elements' bits of one layer_norm and its gradients.

#include "one_norm.h"

int main() { rapt::tests::print_one_norm(); }

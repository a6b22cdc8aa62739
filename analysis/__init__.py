"""From records to tables, figures and a report; needs no torch, no Ray and no GPU."""

"""From a folder of DICOM or NIfTI to one checked CT volume."""
